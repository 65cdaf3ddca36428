"""The choice after the desks of a paid alert closed for good: other desks, or the remaining time refunded."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from api.models.user import Contact
from configs.contact_addresses import digest
from configs.prefecture import prefectures
from configs.signed_links import RefundClosedDesk, write_token
from notifier.content.message_links import link
from notifier.content.payment_notices import PaymentNotice
from notifier.message_kind_base import ClaimedRow


class DeskClosedChoice(PaymentNotice):
    """Params: `prefecture`, `alert`. No procedure, which could reveal a person's immigration status."""

    makes_notice = True
    notice_link = "/dashboard"

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:  # noqa: ARG002 -- as its base says
        """Return where it was."""
        place = prefectures().get(row.params["prefecture"])
        return {"where": f"{place.name} ({place.department})" if place else row.params["prefecture"]}

    def sign_url(self, session: Session, row: ClaimedRow, contact: Contact) -> str:  # noqa: ARG002 -- as its base says
        """Return the page where the refund is chosen."""
        refund = RefundClosedDesk(contact.id, digest(contact.address), UUID(row.params["alert"]))
        return link("closed-desk", write_token(refund))
