"""The choice after the desks of a paid alert closed for good: other desks, or the remaining time refunded."""

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from configs.prefecture import prefectures
from notifier.content.payment_notices import PaymentNotice
from notifier.message_kind_base import ClaimedRow


class DeskClosedChoice(PaymentNotice):
    """Params: `prefecture`. No procedure, which could reveal a person's immigration status."""

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:  # noqa: ARG002 -- as its base says
        """Return where it was."""
        place = prefectures().get(row.params["prefecture"])
        return {"where": f"{place.name} ({place.department})" if place else row.params["prefecture"]}
