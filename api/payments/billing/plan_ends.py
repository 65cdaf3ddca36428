"""Ends and renewals of plans: the mails before and after, and what follows where an alert's desks have closed.

Ends are told once per grant, not where the next grant follows; a renewal that failed once each day of grace. Where
desks closed for good, a mail offers the choice: where the user wants no other desk, the plan ends, for all alerts.
What is paid back is the share of the price from the closing to the end of the plan.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session, aliased, selectinload

from api.accounts.queries import lock_user
from api.alerts.service import get_owned
from api.alerts.targets import find_watched_desks, get_prefecture_id
from api.alerts.unwatched import Hole, add_hole, measure
from api.ground.errors import ApiError
from api.ground.messages import write_message
from api.models.alert import Alert
from api.models.base import session as open_session
from api.models.base import write_once
from api.models.desk import Outage, OutageReason
from api.models.discovery import Drift
from api.models.notification import Notification
from api.models.organisation import GRANT_SOURCE  # whose ends its members are told of
from api.models.payment import (
    CreditForm,
    Payment,
    PaymentEvent,
    PaymentEventKind,
    PaymentStatus,
    RefundReason,
    Subscription,
    WatchCredit,
)
from api.models.user import Channel, Grant
from api.payments.billing.schemas import ClosedDeskRefund
from api.payments.gateway.client import call
from api.payments.gateway.errors import StripeAway, StripeRefused
from api.payments.gateway.facts import InvoiceFacts
from api.payments.ledger.book import post_end, read_balances
from api.payments.ledger.early_ends import quote_ends
from api.payments.ledger.grants import FRIEND, GRACE, end_repaid_plan, price_use
from api.payments.ledger.notices import tell_failure, write_end_receipt
from api.payments.ledger.payment_events import add_event, lock_payment
from api.payments.ledger.refunds import plan_refunds
from api.payments.ledger.stripe_ids import CREDIT_KEY, find_stripe_id
from api.payments.ledger.subscriptions import COLLECTED, RENEWING, goes_on
from api.payments.ledger.watch_credits import add_credit
from api.payments.ledger.watch_gaps import list_unwatched
from configs.ground.clock import clock
from configs.world.plan import PlanName

_EXPIRING, _ENDED = "plan_expiring", "plan_ended"
_DAY, _HOURS = timedelta(days=1), timedelta(hours=2)  # before the end; the second of a plan of 24 hours
_LATE = timedelta(days=1)  # after the end, where no job ran
_FOR_GOOD = timedelta(days=1)  # a page that closes for the night comes back
CLOSED = "closed desk"  # subject of the event by which a plan ends
Closed = Mapping[str, datetime]  # by id of the desk
_AHEAD = timedelta(days=3)
_NONE = "invoice_upcoming_none"  # Stripe's code where nothing will be charged

log = structlog.get_logger(__name__)


def tell_plan_ends(session: Session) -> None:
    """Write the notices that are due."""
    now = clock()
    _write_notices(session, _EXPIRING, _is_ending(now))
    _write_notices(session, _ENDED, _has_ended(now))


def remind_in_grace(session: Session) -> None:
    """Write today's message to each user whose plan goes on by grace only."""
    now = clock()
    waiting = (
        sa.select(Payment)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Grant.source == GRACE, Grant.ends_at > now, Payment.status == PaymentStatus.FAILED)
    )
    for each in session.scalars(waiting).all():
        tell_failure(session, each, f"{now:%Y-%m-%d}")


def _write_notices(session: Session, kind: str, due: sa.ColumnElement[bool]) -> None:
    due = sa.and_(due, ~_is_followed(), ~_is_told(kind), Grant.source != GRANT_SOURCE)
    found = sa.select(Grant).where(due).order_by(Grant.id)
    for grant in session.scalars(found).all():
        params = {"grant": str(grant.id), "plan": grant.plan.value, "ends": grant.ends_at.isoformat()}
        write_message(session, grant.user_id, kind, params, f"{kind}:{grant.id}")


def _is_ending(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a grant ends soon. Of a renewal another message tells, of days of grace too."""
    lead = sa.or_(Grant.ends_at <= now + _HOURS, Grant.plan != PlanName.URGENCE_24H)
    return sa.and_(Grant.ends_at > now, Grant.ends_at <= now + _DAY, lead, Grant.source != GRACE, ~_renews())


def _has_ended(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a grant ended lately, by its time: a refund or a withdrawal has its own message.

    A month that renews goes on by days of grace, which a job begins that may be late. Their own end is told once
    Stripe agreed that nothing more is charged (`tell_unpaid_end`).
    """
    paid = (Payment.id == Grant.payment_id, Subscription.id == Payment.subscription_id)
    ended = sa.exists().where(*paid, Subscription.ended_at.is_not(None), Subscription.lapsed_at.is_(None))
    is_over = sa.case((Grant.source == GRACE, ended), else_=~_renews())
    is_refunded = sa.exists().where(Payment.id == Grant.payment_id, Payment.status == PaymentStatus.REFUNDED)
    return sa.and_(Grant.ends_at <= now, Grant.ends_at > now - _LATE, is_over, ~is_refunded, ~_was_ended())


def _is_followed() -> sa.ColumnElement[bool]:
    """Return the condition that another grant goes on; of two that end at once the later one counts."""
    following = aliased(Grant)
    later = sa.tuple_(following.ends_at, following.id) > sa.tuple_(Grant.ends_at, Grant.id)
    return sa.exists().where(following.user_id == Grant.user_id, following.starts_at <= Grant.ends_at, later)


def _is_told(kind: str) -> sa.ColumnElement[bool]:
    keys = [sa.func.concat(f"{kind}:", Grant.id, f":{channel.value}") for channel in Channel]
    return sa.exists().where(Notification.dedupe_key.in_(keys))


def _renews() -> sa.ColumnElement[bool]:
    paid = sa.exists().where(Payment.id == Grant.payment_id, Payment.subscription_id == Subscription.id)
    given = (Grant.source == FRIEND) & (Subscription.plan == Grant.plan)
    mine = (Subscription.user_id == Grant.user_id, given | paid)
    return sa.exists().where(*mine, Subscription.status.in_(COLLECTED), goes_on())


def _was_ended() -> sa.ColumnElement[bool]:
    by_choice = sa.and_(PaymentEvent.kind == PaymentEventKind.PLAN_ENDED, PaymentEvent.subject == CLOSED)
    others = PaymentEvent.kind.in_((PaymentEventKind.WITHDRAWN, PaymentEventKind.DISPUTE_LOST))
    return sa.exists().where(PaymentEvent.payment_id == Grant.payment_id, by_choice | others)


def tell_closed_desks(session: Session) -> None:
    """Write the choice to users whose alert has had no open page for a day.

    An alert is told of once, while a paid plan runs.
    """
    now = clock()
    closed = _list_closed_desks(session, now)
    for alert in _list_paid_alerts(session, now):
        if _find_closing(alert, closed, now):
            params = {"prefecture": get_prefecture_id(alert.targets), "alert": str(alert.id)}
            write_message(session, alert.user_id, "desk_closed_choice", params, f"desk-closed:{alert.id}")


def _list_closed_desks(session: Session, now: datetime) -> Closed:
    """Return the desks whose page the prefecture closed or moved a day ago or longer, each with that instant."""
    closed = sa.select(Outage.desk_id, Outage.starts_at).where(
        Outage.reason == OutageReason.CLOSED, Outage.ends_at.is_(None), Outage.starts_at <= now - _FOR_GOOD
    )
    moved = sa.select(Drift.desk_id, Drift.starts_at).where(
        Drift.ends_at.is_(None), Drift.starts_at <= now - _FOR_GOOD
    )
    return {desk_id: at for query in (moved, closed) for desk_id, at in session.execute(query)}


def _find_closing(alert: Alert, closed: Closed, now: datetime) -> datetime | None:
    """Return when the last of an alert's pages closed; `now` where the desk files have none of them any more."""
    desks = [desk for desk in find_watched_desks(alert.targets) if desk.shows_slots]
    if not all(desk.id in closed for desk in desks):
        return None
    return max((closed[desk.id] for desk in desks), default=now)


def _list_paid_alerts(session: Session, now: datetime) -> list[Alert]:
    holders = (
        sa.select(Grant.user_id)
        .join(Payment, Payment.id == Grant.payment_id)
        .where(Grant.starts_at <= now, Grant.ends_at > now, Payment.status == PaymentStatus.COMPLETED)
    )
    mine = sa.select(Alert).where(Alert.user_id.in_(holders))
    waiting = mine.where(Alert.enabled, ~Alert.is_free, Alert.closed_at.is_(None))
    return list(session.scalars(waiting.order_by(Alert.id).options(selectinload(Alert.targets))))


def quote_closed_desk(session: Session, user_id: UUID, alert_id: UUID) -> ClosedDeskRefund:
    """Return what `refund_closed_desk` would pay back now. It raises the same errors."""
    closed_at, payments = _find_refundable(session, user_id, alert_id)
    return ClosedDeskRefund(refund=quote_ends(session, payments, closed_at).total(), currency="eur")


def refund_closed_desk(user_id: UUID, alert_id: UUID) -> ClosedDeskRefund:
    """End the paid plans that run or are to begin, and plan the refund of their time since the desks closed.

    Raises:
        ApiError: 404, it is not the user's open alert; 409, a desk of it is open, or no paid plan runs.
    """
    with open_session() as s:
        lock_user(s, user_id)
        closed_at, payments = _find_refundable(s, user_id, alert_id)
        back = sum(_refund(s, each.id, closed_at) for each in payments)
    return ClosedDeskRefund(refund=back, currency="eur")


def _find_refundable(session: Session, user_id: UUID, alert_id: UUID) -> tuple[datetime, Sequence[Payment]]:
    now, alert = clock(), get_owned(session, user_id, alert_id)
    closed_at = _find_closing(alert, _list_closed_desks(session, now), now)
    if closed_at is None or _was_never_watched(alert):
        raise ApiError(409, "desk-open", "a desk of this alert is open, or closed less than a day ago")
    # What ran before this alert waited there was used, or is given back as time without watching.
    closed_at = max(closed_at, alert.watched_since) if alert.enabled else now
    running = sa.select(Grant.payment_id).where(Grant.user_id == user_id, Grant.ends_at > now)
    paid = sa.select(Payment).where(Payment.id.in_(running), Payment.status == PaymentStatus.COMPLETED)
    payments = session.scalars(paid.order_by(Payment.id)).all()
    if not payments:
        detail = "no paid plan runs: GET /api/billing/history shows what went back"
        raise ApiError(409, "no-paid-plan", detail)
    return closed_at, payments


def _was_never_watched(alert: Alert) -> bool:
    """Return whether no check served an alert: it waits for that, or only people see its desks, also while paused."""
    desks = find_watched_desks(alert.targets)
    is_blind = bool(desks) and not any(desk.shows_slots for desk in desks)
    return alert.is_free or alert.awaits_watch or (is_blind and not alert.enabled)


def _refund(session: Session, payment_id: UUID, closed_at: datetime) -> int:
    """End a payment's plan and plan its refund; return the cents. The time since the closing counts as given back.

    What an outage had lowered its price by goes back, too; what a cheaper plan had, as time of that plan.
    """
    payment, now = lock_payment(session, payment_id), clock()
    grants = session.scalars(sa.select(Grant).where(Grant.payment_id == payment.id)).all()
    kept = price_use(session, payment, closed_at)
    starts = max(closed_at, min(each.starts_at for each in grants))
    add_hole(session, payment.id, Hole(starts, now))
    given = sa.select(sa.func.sum(WatchCredit.seconds)).where(WatchCredit.payment_id == payment.id)
    # The rest of the plan is no time without watching: it ends.
    seconds = measure(list_unwatched(session, payment, now)) - (session.scalar(given) or 0)
    post_end(session, payment.id, f"closed-desk:{payment.id}", kept)
    rest = read_balances(session, payment.id).claims - kept
    refunds = plan_refunds(session, payment, rest, RefundReason.NOT_WATCHED)
    back = sum(each.amount_cents for each in refunds)
    add_credit(session, payment, max(seconds, 0), CreditForm.REFUND, back, refunds=refunds)
    add_event(session, payment, PaymentEventKind.PLAN_ENDED, now, subject=CLOSED)
    end_repaid_plan(session, payment, now, "closed-desk", kept)
    if payment.subscription_id:
        row = session.get_one(Subscription, payment.subscription_id)
        write_end_receipt(session, row, now, back, subject="closed")
    return back


def list_renewals(session: Session) -> list[UUID]:
    """Return the subscriptions that renew within three days and whose notice is not written."""
    now = clock()
    soon = sa.select(Subscription).where(
        Subscription.status.in_(RENEWING),
        Subscription.user_id.is_not(None),
        sa.func.greatest(Subscription.period_ends_at, Subscription.charge_at).between(now, now + _AHEAD),
        goes_on(),
    )
    keys = {
        f"{_name_renewal(each)}:email": each.id for each in session.scalars(soon.order_by(Subscription.id))
    }
    told = session.scalars(sa.select(Notification.dedupe_key).where(Notification.dedupe_key.in_(keys)))
    return [keys[each] for each in keys.keys() - set(told)]


def tell_renewal(subscription_id: UUID) -> bool:
    """Ask what a renewal will cost, and write its notice; False where it does not renew any more.

    Our price list may have changed since the order, and codes and credits lower an invoice: only Stripe's own
    preview of it knows them all (https://docs.stripe.com/api/invoices/create_preview).

    Raises:
        StripeAway: Stripe does not answer, or its id of the subscription is not known yet.
    """
    with open_session() as s:
        stripe_id = find_stripe_id(s, s.get_one(Subscription, subscription_id), "subscription")
    if stripe_id is None:
        raise StripeAway("the subscription's id is not known yet")
    wanted: Any = {"subscription": stripe_id}
    try:
        facts = InvoiceFacts.of(call(lambda c: c.v1.invoices.create_preview(wanted)))
    except StripeRefused as error:
        if error.code != _NONE:
            raise
        log.info("a subscription does not renew", subscription=str(subscription_id))
        return False
    return write_once(_write_renewal, subscription_id, facts)


def _write_renewal(session: Session, subscription_id: UUID, facts: InvoiceFacts) -> bool:
    row = session.get_one(Subscription, subscription_id)
    if row.user_id is None or row.next_charge_at is None:
        return False
    params = {
        "subscription": str(row.id),
        "ends": row.next_charge_at.isoformat(),
        "amount": facts.amount_due,
        "price": sum(each.amount for each in facts.lines if each.is_of_plan),
        "credit": -sum(each.amount for each in facts.lines if CREDIT_KEY in (each.metadata or {})),
        "discount": facts.discount,
    }
    write_message(session, row.user_id, "renewal_soon", params, _name_renewal(row))
    return True


def _name_renewal(row: Subscription) -> str:
    ends = row.next_charge_at.isoformat() if row.next_charge_at else ""
    return f"renewal-soon:{row.id}:{ends}"
