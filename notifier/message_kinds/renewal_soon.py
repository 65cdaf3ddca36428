"""The notice that a subscription renews soon: when, for how much, and how to leave."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from api.models.payment import Subscription
from configs.plan import plan
from notifier.content.payment_notices import PaymentNotice, name_plan, write_amount, write_instant
from notifier.message_kind_base import ClaimedRow


class RenewalSoon(PaymentNotice):
    """Params: `subscription`, `ends` (ISO 8601), the end of the paid period."""

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:
        """Return when it renews and the price."""
        found = session.get_one(Subscription, UUID(row.params["subscription"]))
        ends = write_instant(datetime.fromisoformat(row.params["ends"]), zone, row.language)
        return {
            "plan": name_plan(found.plan, row.language),
            "price": write_amount(plan(found.plan).price_cents, row.language),
            "ends": f"{ends['since_day']}, {ends['since_hour']}",
        }
