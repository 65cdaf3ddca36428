"""The notice that a subscription renews soon: when, for how much, and how to leave."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment, Subscription
from api.models.user import Contact
from api.models.watch_credit import CreditForm, WatchCredit
from configs.plan import name_plan, plan
from configs.signed_links import CancelOrder, write_token
from notifier.content.message_links import link
from notifier.content.payment_notices import PaymentNotice, write_amount, write_instant
from notifier.message_kind_base import ClaimedRow


class RenewalSoon(PaymentNotice):
    """Params: `subscription`, `ends` (ISO 8601), the end of the paid period."""

    makes_notice = True
    notice_link = "/formule"

    def sign_url(self, session: Session, row: ClaimedRow, contact: Contact) -> str:  # noqa: ARG002 -- as its base says
        """Return the page where the reader cancels without signing in."""
        orders = sa.select(Payment.id).where(
            Payment.subscription_id == UUID(row.params["subscription"]), Payment.consented_at.is_not(None)
        )
        order_id = session.scalar(orders.limit(1))
        return link("cancel", write_token(CancelOrder(order_id))) if order_id else ""

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:
        """Return when it renews and the price."""
        found = session.get_one(Subscription, UUID(row.params["subscription"]))
        ends = write_instant(datetime.fromisoformat(row.params["ends"]), zone, row.language)
        price = plan(found.plan).price_cents
        credit = min(_sum_credits(session, found), price)
        return {
            "plan": name_plan(found.plan),
            "price": write_amount(price - credit, row.language),
            "full_price": write_amount(price, row.language),
            "credit": write_amount(credit, row.language) if credit else "",
            "ends": f"{ends['since_day']}, {ends['since_hour']}",
        }


def _sum_credits(session: Session, subscription: Subscription) -> int:
    """Return the cents that the next invoice is lower by, for time without watching in this period."""
    given = (
        sa.select(sa.func.coalesce(sa.func.sum(WatchCredit.amount_cents), 0))
        .join(Payment, Payment.id == WatchCredit.payment_id)
        .where(Payment.subscription_id == subscription.id, WatchCredit.form == CreditForm.INVOICE)
    )
    if subscription.period_starts_at:
        given = given.where(WatchCredit.created_at >= subscription.period_starts_at)
    return session.scalars(given).one()
