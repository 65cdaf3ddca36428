"""The notice that money goes back: how much, of which order, and why."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from api.models.payment import Refund
from notifier.content.payment_notices import PaymentNotice, describe_payment, write_amount
from notifier.message_kind_base import ClaimedRow


class Refunded(PaymentNotice):
    """Sent once Stripe took the refund; the bank needs some days more."""

    makes_notice = True
    notice_link = "/formule/paiements"

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:  # noqa: ARG002 -- as its base says
        """Return the refund's amount and reason."""
        refund = session.get_one(Refund, UUID(row.params["refund"]))
        return {
            **describe_payment(session, str(refund.payment_id), row.language),
            "amount": write_amount(refund.amount_cents, row.language),
            "reason": refund.reason.value,
        }
