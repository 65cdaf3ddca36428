"""Orders: our row, written before Stripe is asked. A second click on the same order finds the first one's row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import ensure_not_suspended, find_mailbox, lock_user
from api.alerts.fair_use import fair_use_alerts
from api.alerts.schemas import NewAlert
from api.alerts.wishes import ResolvedWish, check_wish, find_user_standings
from api.ground.errors import ApiError, invalid
from api.ground.schemas import FieldError
from api.models.alert import Alert
from api.models.base import new_id
from api.models.payment import Payment, PaymentEventKind, PaymentStatus, PlanCredit
from api.models.user import User
from api.payments.billing.quotes import build_quote
from api.payments.billing.referrals import name_referrer
from api.payments.billing.schemas import Consent, NewOrder, QuoteAnswer
from api.payments.exchange.checkout_calls import CHECKOUT_SECONDS, find_expiry
from api.payments.ledger.payment_events import add_event, list_credits, lock_payment
from api.payments.ledger.stripe_ids import SESSION, find_stripe_id, link_id
from api.payments.ledger.withdrawal_rules import find_later_orders_end, find_later_start
from configs.ground.clock import clock
from configs.ground.text import choose_page_language, pluralize
from configs.settings import Constant
from configs.world.plan import Plan, PlanName, plan
from configs.world.sales_terms import find_newest_version, read_consent

# How many orders one person may have open at Checkout
_open_checkouts = Constant("OPEN_CHECKOUTS", 3)

_REUSED_FOR = timedelta(minutes=10)
_SHORTEST_AT_STRIPE = timedelta(minutes=30)  # a session must be open for at least that long when it is made


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order whose row is written, or was before."""

    payment: Payment
    user: User
    credit_cents: int
    session_id: str | None  # Stripe's, where it is known already
    begins_at: datetime | None  # of one that begins later, if it is paid now
    # Orders that must not be paid beside this one, each with its session where that is known.
    replaced: Sequence[tuple[UUID, str | None]] = ()


def check_order(session: Session, user_id: UUID, wish: NewOrder) -> ResolvedWish | None:
    """Refuse an order for old terms, or for which nothing could be watched; return the alert that it brings.

    Raises:
        ApiError: 422, with the path of each wrong field; `not_watched` with alternatives.
    """
    newest = find_newest_version()
    if wish.consent.terms_version != newest:
        detail = f"these terms are not the newest: show those of {newest}, and send that version"
        raise invalid(FieldError(path="consent.termsVersion", rule="old_terms", detail=detail))
    if wish.alert is None:
        _check_own_alerts(session, user_id)
        return None
    return check_wish(session, wish.alert.model_copy(update={"accept_waiting": False}))


def _check_own_alerts(session: Session, user_id: UUID) -> None:
    """Refuse an order without an alert of a user none of whose alerts has a desk that can be watched."""
    mine = find_user_standings(session, user_id)
    if any(each.is_watchable for each in mine):
        return
    why = "; ".join(f"{each.desk.id}: {each.reason}" for each in mine) or "you have none"
    detail = (
        f"no alert of yours has a desk that can be watched now ({why}): send `alert` with what can be "
        "(GET /api/prefectures/{id}/outlook), or POST /api/alerts with acceptWaiting: true to be told when it can"
    )
    raise invalid(FieldError(path="withoutAlert", rule="not_watched", detail=detail))


def place_order(session: Session, user_id: UUID, wish: NewOrder) -> PlacedOrder:
    """Write the row of an order that `check_order` has let pass, or find that of the same one made a moment ago.

    Raises:
        ApiError: 409, the address is not confirmed, a larger plan runs, the plan would not carry the alert,
            or too many orders are open; 422, the order is not asked to begin at once, and would.
    """
    lock_user(session, user_id)
    ensure_not_suspended(session, user_id)
    _check_address(session, user_id)
    user, now = session.get_one(User, user_id, populate_existing=True), clock()
    name, consent = PlanName(wish.plan), _read_consent(session, user_id, wish, now)
    orders = _give_up_unreached(session, _list_open_orders(session, user_id, now), now)
    for order in orders:
        if order.created_at > now - _get_reuse() and _is_same(order, wish, consent):
            name_referrer(session, order, wish.friend)
            return _describe(session, user, order, _find_replaced(session, orders, order))
    quote = build_quote(session, user, name)
    if wish.alert:
        _check_alert_fits(session, user_id, plan(name))
    payment = _add_order(session, user, wish, consent, quote)
    name_referrer(session, payment, wish.friend)
    replaced = _find_replaced(session, orders, payment)
    waiting = [each for each in orders if each.id not in dict(replaced)]
    if len(waiting) >= _open_checkouts():
        free = min(find_expiry(each) for each in waiting)
        detail = f"{pluralize(len(waiting), 'order')} of yours wait for their payment: pay one, or wait"
        raise ApiError(409, "too-many-checkouts", detail, available_from=free)
    return _describe(session, user, payment, replaced)


def note_session(session: Session, payment_id: UUID, session_id: str) -> bool:
    """Write which session an order has; return whether the order still waits for its payment."""
    payment = lock_payment(session, payment_id)
    link_id(session, session_id, SESSION, payment)
    return payment.status is PaymentStatus.PENDING


def forget_customer(session: Session, customer: str) -> None:
    """Drop the id of a customer who was deleted at Stripe; the next payment makes another one."""
    known = User.stripe_customer_id == customer
    session.execute(sa.update(User).where(known).values(stripe_customer_id=None))


def end_order(session: Session, /, payment_id: UUID, kind: PaymentEventKind, **details: Any) -> None:
    """Note that an order can no longer be paid."""
    add_event(session, lock_payment(session, payment_id), kind, clock(), **details)


def _list_open_orders(session: Session, user_id: UUID, now: datetime) -> list[Payment]:
    since = now - timedelta(seconds=CHECKOUT_SECONDS)
    mine = sa.select(Payment).where(
        Payment.user_id == user_id,
        Payment.status == PaymentStatus.PENDING,
        Payment.consented_at.is_not(None),
        Payment.created_at > since,
    )
    return list(session.scalars(mine.order_by(Payment.id.desc())))


def _get_reuse() -> timedelta:
    """Return for how long a repeated order is the same one; a page that is made then must still be open long enough."""
    return min(_REUSED_FOR, timedelta(seconds=CHECKOUT_SECONDS) - _SHORTEST_AT_STRIPE)


def _read_consent(session: Session, user_id: UUID, wish: NewOrder, now: datetime) -> Consent:
    """Return the consent of an order: one that begins later is not asked to begin at once, whatever was sent."""
    if find_later_orders_end(session, user_id, now):
        return wish.consent.model_copy(update={"start_now": False, "acknowledges_loss": False})
    given = {"startNow": wish.consent.start_now, "acknowledgesLoss": wish.consent.acknowledges_loss}
    errors = [
        FieldError(path=f"consent.{name}", rule="literal_error", detail="without it this order cannot begin")
        for name, is_given in given.items()
        if not is_given
    ]
    if errors:
        raise invalid(*errors)
    return wish.consent


def _is_same(order: Payment, wish: NewOrder, consent: Consent) -> bool:
    return (
        order.plan == wish.plan
        and order.consent == consent.model_dump(mode="json", by_alias=True)
        and order.alert_wish == _write_alert(wish.alert)
        and order.client_name == wish.client_name
    )


def _give_up_unreached(session: Session, orders: list[Payment], now: datetime) -> list[Payment]:
    """End the orders whose page Stripe never gave us and that no click repeats any more; return the others.

    Nobody can pay them, so that they must not count as waiting.
    """
    old = [each for each in orders if each.created_at <= now - _get_reuse()]
    lost = [each for each in old if find_stripe_id(session, each, SESSION) is None]
    for each in lost:
        end_order(session, each.id, PaymentEventKind.EXPIRED)
    return [each for each in orders if each not in lost]


def _find_replaced(
    session: Session, orders: list[Payment], payment: Payment
) -> list[tuple[UUID, str | None]]:
    """Return the open orders that must not be paid beside this one: the newest choice of a plan counts.

    Only orders of the same short plan may, as each extends it. Beside others a credit or a subscription would be paid
    twice, or a cheaper plan would run unused.
    """
    ids = [payment.id, *(each.id for each in orders)]
    credited = set(session.scalars(sa.select(PlanCredit.payment_id).where(PlanCredit.payment_id.in_(ids))))
    extends = not (plan(payment.plan).recurring or payment.id in credited)
    rivals = [
        each
        for each in orders
        if each.id != payment.id and (not extends or each.plan != payment.plan or each.id in credited)
    ]
    return [(each.id, find_stripe_id(session, each, SESSION)) for each in rivals]


def _check_address(session: Session, user_id: UUID) -> None:
    """Refuse an account that would pay and get no alert by mail: docs/decisions.md#orders-need-an-address."""
    contact = find_mailbox(session, user_id)
    if contact is None or not contact.confirmed:
        detail = (
            "no alert would reach your e-mail address: open the link in our mail, or have another one sent by "
            "POST /api/auth/verify-email/again, then order"
        )
        raise ApiError(409, "address-unconfirmed", detail)


def _check_alert_fits(session: Session, user_id: UUID, wanted: Plan) -> None:
    mine = sa.select(sa.func.count()).where(Alert.user_id == user_id, Alert.closed_at.is_(None))
    waiting = session.scalars(mine.where(Alert.enabled)).one()
    if wanted.alerts is not None and waiting >= wanted.alerts:
        detail = (
            f"{wanted.name} carries {pluralize(wanted.alerts, 'alert')} at once, and {waiting} wait already: "
            "pause one, or order with withoutAlert: true"
        )
        raise ApiError(409, "plan-limit", detail)
    if session.scalars(mine).one() >= fair_use_alerts():
        raise ApiError(409, "fair-use", f"you keep {fair_use_alerts()} alerts already: delete one first")


def _add_order(session: Session, user: User, wish: NewOrder, consent: Consent, quote: QuoteAnswer) -> Payment:
    now = clock()
    texts = read_consent(consent.terms_version, choose_page_language(user.language))
    accepted = [] if quote.begins_later else [texts.start_now, texts.acknowledges_loss]
    payment = Payment(
        id=new_id(),
        user_id=user.id,
        plan=quote.plan,
        amount_cents=quote.amount,
        created_at=now,
        terms_version=consent.terms_version,
        consent=consent.model_dump(mode="json", by_alias=True),
        consent_text="\n".join(
            [*accepted, *([texts.accepts_hour_threshold] * consent.accepts_hour_threshold)]
        ),
        consented_at=now,
        alert_wish=_write_alert(wish.alert),
        client_name=wish.client_name,
    )
    session.add(payment)
    session.flush()
    session.add_all(
        PlanCredit(
            payment_id=payment.id,
            credited_payment_id=each.payment_id,
            amount_cents=each.amount,
            seconds=each.seconds,
        )
        for each in quote.credits
    )
    session.flush()
    return payment


def _describe(
    session: Session, user: User, payment: Payment, replaced: Sequence[tuple[UUID, str | None]]
) -> PlacedOrder:
    return PlacedOrder(
        payment,
        user,
        credit_cents=sum(each.amount_cents for each in list_credits(session, payment)),
        session_id=find_stripe_id(session, payment, SESSION),
        begins_at=find_later_start(session, user.id, clock()) if payment.begins_later else None,
        replaced=replaced,
    )


def _write_alert(alert: NewAlert | None) -> dict[str, Any] | None:
    if alert is None:
        return None
    return alert.model_copy(update={"accept_waiting": False}).model_dump(mode="json", by_alias=True)
