"""The notice that a payment failed, and where to mend that."""

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from notifier.content.payment_notices import PaymentNotice, describe_payment
from notifier.message_kind_base import ClaimedRow


class PaymentFailed(PaymentNotice):
    """About an order, or the renewal of a subscription, whose plan goes on for some days."""

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:  # noqa: ARG002 -- as its base says
        """Return which payment failed."""
        return describe_payment(session, row.params["payment"], row.language)
