"""The receipt of a cancellation: the end date and its effects (L.215-1-1 Code de la consommation)."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from configs.plan import PlanName, name_plan
from notifier.content.payment_notices import PaymentNotice, write_amount, write_instant
from notifier.message_kind_base import ClaimedRow

_MINUTE = timedelta(minutes=1)


class Cancelled(PaymentNotice):
    """Params: `ends` (ISO 8601), `refund` in cents, `plan`."""

    makes_notice = True
    notice_link = "/formule"

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:  # noqa: ARG002 -- as its base says
        """Return when the subscription ends, and what goes back."""
        at = datetime.fromisoformat(row.params["ends"])
        is_day_end = at.astimezone(zone).time() == time()  # midnight belongs to the day that was chosen
        ends = write_instant(at - _MINUTE if is_day_end else at, zone, row.language)
        back = row.params["refund"]
        return {
            "plan": name_plan(PlanName(row.params["plan"])),
            "ends": f"{ends['since_day']}, {ends['since_hour']}",
            "refund": write_amount(back, row.language) if back else "",
        }
