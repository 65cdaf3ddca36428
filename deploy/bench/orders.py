"""Orders as checkout leaves them: users, rows, and pages at the stand-in of Stripe that wait to be paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import new_id
from api.models.payment import Payment, StripeId
from api.models.user import User
from configs.clock import clock
from configs.plan import PlanName, plan
from configs.sales_terms import find_newest_version
from deploy.bench.people import Crowd
from deploy.sandbox.stripe.control_client import Delivery, StripeControl

_PLAN = PlanName.URGENCE_7J
_NO_PLANS = 10**9  # one person in so many has a plan


@dataclass(frozen=True, slots=True)
class BenchOrder:
    """An order that waits to be paid."""

    user_id: UUID
    payment_id: UUID
    session_id: str


def place_orders(
    engine: sa.Engine, prefix: str, many: int, alert: Mapping[str, Any] | None = None
) -> list[BenchOrder]:
    """Have so many new users order a plan, and an alert with it."""
    from api.payments import checkout_calls  # noqa: PLC0415 -- it imports Stripe's library

    Crowd(prefix, many, "NULL, NULL, NULL", each=0, per_paying=_NO_PLANS).write(engine)
    placed = []
    with Session(engine) as session, session.begin():
        found = sa.select(User).where(User.email.startswith(prefix, autoescape=True)).order_by(User.id)
        for user in session.scalars(found).all():
            payment = _build_payment(user.id, alert)
            session.add(payment)
            made = checkout_calls.create_session(payment, user, credit_cents=0)
            session.add(StripeId(id=made.id, kind="checkout.session", payment_id=payment.id))
            placed.append(BenchOrder(user.id, payment.id, made.id))
    return placed


def _build_payment(user_id: UUID, alert: Mapping[str, Any] | None) -> Payment:
    consent = {"startNow": True, "acknowledgesLoss": True, "acceptsHourThreshold": True}
    version, now = find_newest_version(), clock()
    return Payment(
        id=new_id(),
        user_id=user_id,
        plan=_PLAN,
        amount_cents=plan(_PLAN).price_cents,
        created_at=now,
        terms_version=version,
        consent={"termsVersion": version, **consent},
        consented_at=now,
        alert_wish=dict(alert) if alert else None,
    )


def pay_orders(control: StripeControl, orders: Sequence[BenchOrder]) -> list[Delivery]:
    """Pay orders on their pages; return the events that Stripe would send, signed."""
    for each in orders:
        if error := control.pay(each.session_id)["error"]:
            raise RuntimeError(f"the stand-in refuses a payment: {error}")
    return control.take_deliveries()
