"""The notice that a payment failed, and where to mend that."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment
from api.models.user import Contact, Grant
from configs.clock import clock
from configs.contact_addresses import digest
from configs.signed_links import OpenPortal, write_token
from notifier.content.message_links import link
from notifier.content.payment_notices import PaymentNotice, describe_payment, write_instant
from notifier.message_kind_base import ClaimedRow


class PaymentFailed(PaymentNotice):
    """About an order, or the renewal of a subscription, whose plan goes on for some days."""

    makes_notice = True
    notice_link = "/formule"

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:
        """Return which payment failed; of a renewal also until when the plan goes on, empty where it is over."""
        grace = sa.select(sa.func.max(Grant.ends_at)).where(
            Grant.payment_id == UUID(row.params["payment"]), Grant.source == "grace", Grant.ends_at > clock()
        )
        ends = session.scalar(grace)
        until = write_instant(ends, zone, row.language) if ends else None
        return {
            **describe_payment(session, row.params["payment"], row.language),
            "renewal": _is_renewal(session, row),
            "until": f"{until['since_day']}, {until['since_hour']}" if until else "",
        }

    def sign_url(self, session: Session, row: ClaimedRow, contact: Contact) -> str:
        """Return the page that opens Stripe's portal, for a renewal; a session of the portal itself ends in minutes."""
        if not _is_renewal(session, row):
            return ""
        return link("portal", write_token(OpenPortal(contact.id, digest(contact.address))))


def _is_renewal(session: Session, row: ClaimedRow) -> bool:
    payment = session.get_one(Payment, UUID(row.params["payment"]))
    return payment.subscription_id is not None and payment.consented_at is None
