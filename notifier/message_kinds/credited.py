"""The notice that paid time without watching is given back, and how."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_timedelta
from sqlalchemy.orm import Session

from notifier.content.payment_notices import PaymentNotice, describe_payment, write_amount, write_instant
from notifier.message_kind_base import ClaimedRow


class Credited(PaymentNotice):
    """Params: `payment`, `seconds`, `given` (time, invoice or refund), `amount` in cents, `ends` (ISO 8601 or null)."""

    makes_notice = True
    notice_link = "/formule/paiements"

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:
        """Return how much time it was, and what is given for it."""
        params, ends = row.params, ""
        if params["ends"]:
            at = write_instant(datetime.fromisoformat(params["ends"]), zone, row.language)
            ends = f"{at['since_day']}, {at['since_hour']}"
        time = format_timedelta(timedelta(seconds=params["seconds"]), threshold=2, locale=row.language)
        return {
            **describe_payment(session, params["payment"], row.language),
            "time": time,
            "given": params["given"],
            "amount": write_amount(params["amount"], row.language),
            "ends": ends,
        }
