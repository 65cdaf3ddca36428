"""A shop for tests: orders rows as the checkout does, posts Stripe's events to the webhook and follows the nudges."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import time_machine
from flask.testing import FlaskClient

from api.ground.background_nudges import take_nudge
from api.models.base import new_id, session
from api.models.job import PAYMENTS
from api.models.notification import Notification
from api.models.payment import (
    Payment,
    PaymentEvent,
    PlanCredit,
    Refund,
    RefundReason,
    RefundStatus,
    StripeId,
    Subscription,
)
from api.models.stripe_event import CommandKind, StripeCommand, StripeEvent
from api.models.user import Grant, User
from api.payments.exchange import jobs
from api.payments.exchange.commands import carry_out
from api.payments.exchange.objects import find_type
from api.payments.gateway.client import call
from api.payments.gateway.outbox import find_due_commands
from api.payments.ledger.book import read_balances
from api.payments.ledger.early_ends import withdraw
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.refunds import plan_refund
from api.payments.ledger.stripe_ids import find_stripe_id, link_id, list_intents
from configs.ground.clock import clock
from configs.world.plan import PlanName, plan
from deploy.sandbox.stripe.account import Account
from deploy.sandbox.stripe.objects import blank
from deploy.sandbox.stripe.objects import new_id as new_stripe_id
from deploy.sandbox.stripe.resources.payments import add_payment_intent
from tests.api.world import Door
from tests.factories import get, rows, save
from tests.sandbox_controls import Delivery, StripeControl

CONSENT = {
    "termsVersion": "2026-11",
    "startNow": True,
    "acknowledgesLoss": True,
    "acceptsHourThreshold": True,
}
WEBHOOK = "/api/billing/webhook"


@dataclass(frozen=True)
class Order:
    """An order that waits to be paid."""

    payment_id: UUID
    session_id: str


@dataclass
class Shop:
    """The stand-in, the API and the notifier's front door."""

    control: StripeControl
    client: FlaskClient
    door: Door
    clock: time_machine.Traveller

    def order(
        self,
        user_id: UUID,
        name: PlanName = PlanName.URGENCE_7J,
        *,
        currency_at_stripe: str = "eur",
        **columns: Any,
    ) -> Order:
        """Write an order and open its Checkout Session, the row first."""
        values: dict[str, Any] = {
            "amount_cents": plan(name).price_cents,
            "consent": CONSENT,
            "consented_at": clock(),
        } | columns
        payment_id = new_id()
        save(Payment(id=payment_id, user_id=user_id, plan=name, created_at=clock(), **values))
        session_id = self._open_session(payment_id, name, values["amount_cents"], currency_at_stripe)
        with session() as s:
            link_id(s, session_id, "checkout.session", s.get_one(Payment, payment_id))
        return Order(payment_id, session_id)

    def buy(
        self, user_id: UUID, name: PlanName = PlanName.URGENCE_7J, *, card: str = "visa", **columns: Any
    ) -> UUID:
        """Order, pay and apply what Stripe sends; return the payment."""
        order = self.order(user_id, name, **columns)
        self.control.pay(order.session_id, card=card)
        self.deliver()
        return order.payment_id

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """Post to the webhook; return the status of the answer."""
        return self.client.post(WEBHOOK, data=body, headers=headers).status_code

    def deliver(self, deliveries: Iterable[Delivery] | None = None) -> None:
        """Post events, those that wait and that our endpoint asks for (docs/payments.md), or these; then apply them."""
        waiting = (each for each in self.control.take_deliveries() if find_type(each.type))
        for each in waiting if deliveries is None else deliveries:
            assert self.post(each.body, each.headers) == 200, each.type
        self.work()

    def work(self) -> int:
        """Follow the nudges, as the worker of payments does, then what they ordered; return how many there were."""
        found = take_nudges()
        for name, argument in found:
            getattr(jobs, name)(argument)
        send_commands()
        return len(found)

    def work_off(self) -> None:
        """Let the waits of all events end, and try them again until none is left or Stripe is away."""
        while events := list_open_events():
            due = max(each.next_attempt_at for each in events if each.next_attempt_at)
            self.clock.move_to(max(due, clock()))
            jobs.work_off()
            if {each.id for each in events} == {each.id for each in list_open_events()}:
                return

    def pass_time(self, **by: float) -> None:
        """Move all clocks, and apply what Stripe sends meanwhile."""
        self.clock.shift(timedelta(**by))
        self.control.advance()
        self.deliver()

    def _open_session(self, payment_id: UUID, name: PlanName, cents: int, currency: str) -> str:
        recurring = plan(name).recurring
        metadata = {"payment": str(payment_id)}
        price: dict[str, Any] = {
            "currency": currency,
            "unit_amount": cents,
            "product_data": {"name": name.value},
        } | ({"recurring": {"interval": "month"}} if recurring else {})
        key = "subscription_data" if recurring else "payment_intent_data"
        params: Any = {
            "mode": "subscription" if recurring else "payment",
            "line_items": [{"price_data": price, "quantity": 1}],
            "metadata": metadata,
            key: {"metadata": metadata},
            "allowed_payment_method_types": ["card", "sepa_debit"],
            "allow_promotion_codes": True,
            "success_url": "https://front.example/ok",
            "cancel_url": "https://front.example/no",
        }
        return call(lambda c: c.v1.checkout.sessions.create(params)).id


def apply_event(delivery: Delivery) -> None:
    """Do what the nudge of an event asks for."""
    jobs.apply_object(json.loads(delivery.body)["data"]["object"]["id"])


def take_nudges() -> list[tuple[str, str]]:
    """Take the nudges that wait for the worker of payments; return names and arguments."""
    found = []
    while each := take_nudge(PAYMENTS):
        found.append(each)
    return found


def get_payment(payment_id: UUID) -> Payment:
    return get(Payment, payment_id)


def list_grants(user_id: UUID) -> list[Grant]:
    with session() as s:
        return list(s.scalars(sa.select(Grant).where(Grant.user_id == user_id).order_by(Grant.starts_at)))


def list_kinds(payment_id: UUID) -> list[str]:
    """Return what happened to a payment, in the order in which it was recorded."""
    return [each.kind.value for each in rows(PaymentEvent, PaymentEvent.payment_id == payment_id)]


def list_refunds(payment_id: UUID) -> list[Refund]:
    return rows(Refund, Refund.payment_id == payment_id)


def list_messages() -> list[str]:
    """Return the kinds of the messages that were written, in their order."""
    return [each.kind for each in rows(Notification)]


def list_open_events() -> list[StripeEvent]:
    """Return the events that are still to be applied."""
    return rows(StripeEvent, StripeEvent.next_attempt_at.is_not(None))


def send_commands() -> None:
    """Carry out what the outbox has now, and what follows from it."""
    while due := _list_due():
        for kind, subject_id in due:
            carry_out(kind, subject_id)


def _list_due() -> list[tuple[CommandKind, UUID]]:
    with session() as s:
        return find_due_commands(s)


def list_commands() -> list[StripeCommand]:
    """Return what Stripe has not answered yet, the next first."""
    with session() as s:
        return list(s.scalars(sa.select(StripeCommand).order_by(StripeCommand.next_attempt_at)))


def add_dispute(account: Account, status: str) -> dict[str, Any]:
    """Open a dispute of the one paid charge at Stripe, by this word of Stripe's for its status."""
    (charge,) = account.where("charge", status="succeeded")
    about = {name: charge[name] for name in ("amount", "currency", "payment_intent")}
    made = account.new("dispute", charge=charge["id"], reason="general", status=status, **about)
    account.emit("charge.dispute.created", made)
    return made


def add_foreign_session(account: Account) -> dict[str, Any]:
    """Have another product of the same Stripe account sell by Checkout, with `metadata: null`."""
    moment, intent = account.clock.now(), add_payment_intent(account, 1000, "usd")
    return account.add(
        blank(
            "checkout.session", id=new_stripe_id("cs_test"), created=moment, currency="usd", amount_total=1000,
            mode="payment", payment_intent=intent["id"], status="complete", payment_status="paid",
            metadata=None, expires_at=moment + 3600, _items=[], _intent=intent["id"],
        )
    )  # fmt: skip


def order_refund(payment_id: UUID, cents: int, reason: RefundReason = RefundReason.OPERATOR) -> UUID:
    """Write a refund, which Stripe is not asked for yet; return its id."""
    with session() as s:
        return plan_refund(s, lock_payment(s, payment_id), cents, reason).id


def take_back(payment_id: UUID) -> None:
    """Withdraw from an order now, and ask Stripe for what follows."""
    with session() as s:
        withdraw(s, payment_id, clock())
    send_commands()


def find_intent(payment_id: UUID) -> str:
    """Return Stripe's id of a payment's money."""
    with session() as s:
        return str(find_stripe_id(s, s.get_one(Payment, payment_id), "payment_intent"))


def find_customer(user_id: UUID) -> str:
    """Return Stripe's id of a user."""
    return str(get(User, user_id).stripe_customer_id)


def get_subscription() -> Subscription:
    (row,) = rows(Subscription)
    assert isinstance(row, Subscription)
    return row


def upgrade(
    shop: Shop, user_id: UUID, cheap: UUID, name: PlanName = PlanName.URGENCE_7J, **columns: Any
) -> Order:
    """Order a larger plan that credits all of a day that was just bought."""
    price = 1499 if name is PlanName.URGENCE_7J else 2999
    order = shop.order(user_id, name, amount_cents=price - 499, **columns)
    save(PlanCredit(payment_id=order.payment_id, credited_payment_id=cheap, amount_cents=499, seconds=86_400))
    return order


def check_book(control: StripeControl) -> None:
    """Compare the book with the stand-in's ledger, unless a test left events or refunds unheard."""
    if control.take_deliveries() or list_open_events():
        return
    for line in control.ledger():
        with session() as s:
            named = sa.select(Payment).join(StripeId, StripeId.payment_id == Payment.id)
            payment = s.scalar(named.where(StripeId.id == line["payment_intent"]))
            if payment is None or payment.paid_at is None:
                continue
            open_ones = sa.select(Refund.amount_cents).where(
                Refund.payment_id == payment.id,
                Refund.status.in_((RefundStatus.PENDING, RefundStatus.PLANNED)),
            )
            if list(s.scalars(open_ones)):
                continue
            held = read_balances(s, payment.id)
            intents = list_intents(s, payment.id)
        lines = [each for each in control.ledger() if each["payment_intent"] in intents]
        net, disputed, lost = (sum(each[name] for each in lines) for name in ("net", "disputed", "lost"))
        # What an organisation used is due again instead
        assert (held.cash, held.disputed, held.lost) == (net, disputed, 0 if payment.due_at else lost), line
