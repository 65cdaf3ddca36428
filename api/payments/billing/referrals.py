"""A person's link that a friend's first order names: when the right to withdraw is over, both get days of their plan.

Of a subscription the next charge moves by as many days. What goes back to the friend later takes back what is unused.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.alerts.plan_limits import pause_excess_alerts
from api.alerts.service import wake_alerts
from api.ground.errors import invalid
from api.ground.messages import write_message
from api.ground.schemas import FieldError
from api.models.base import read_once, write_once
from api.models.payment import (
    CreditForm,
    Payment,
    PaymentEventKind,
    Referral,
    ReferralReason,
    ReferralState,
    Refund,
    RefundReason,
    RefundStatus,
    Subscription,
    WatchCredit,
)
from api.models.stripe_event import CommandKind
from api.models.user import Channel, Contact, Grant, User
from api.payments.gateway.client import call
from api.payments.gateway.facts import IntentFacts
from api.payments.gateway.outbox import add_command
from api.payments.ledger.book import read_balances
from api.payments.ledger.grants import FRIEND, end_grants, find_plan_end
from api.payments.ledger.payment_events import FOR_TIME, has_event, has_plan, keeps_plan, lock_payment
from api.payments.ledger.stripe_ids import list_intents
from api.payments.ledger.subscriptions import COLLECTED, RENEWING, goes_on
from api.payments.ledger.withdrawal_rules import list_periods
from configs.ground.addresses import name_mailbox
from configs.ground.clock import clock
from configs.ground.signing import LinkRefused, sign, unsign
from configs.settings import settings
from configs.world.plan import Plan, PlanName, plan, plans, rank_plan

_SCOPE, _LINK_SECONDS = "friend", 400 * 86400.0
_YEAR = timedelta(days=365)
_FIRST_CHARGE = timedelta(days=1)  # a charge that is nearer is not moved: Stripe may be about to make it
# The notice of a renewal comes three days before: a told day is not made earlier
_TOLD_CHARGE = timedelta(days=4)
_CARDS = 20  # payments whose means are compared


def write_friend_link(user_id: UUID) -> str:
    """Return the address of a person's own link."""
    return f"{str(settings().frontend_url).rstrip('/')}/ami/{sign(_SCOPE, str(user_id))}"


def read_friend_token(token: str) -> UUID:
    """Return whose link it is.

    Raises:
        LinkRefused: it is expired or forged.
    """
    return UUID(unsign(_SCOPE, token, _LINK_SECONDS))


def find_referrer(session: Session, user_id: UUID, name: PlanName, token: str) -> UUID | None:
    """Return whom an order of this plan may name by a link; None where it gives nothing.

    Both are people who pay: the order is the friend's first, and who is named has paid before.
    """
    if not (settings().friends and plan(name).friend_days):
        return None
    try:
        named = read_friend_token(token)
    except LinkRefused:
        return None
    may = named != user_id and _has_paid(session, named) and not _has_paid(session, user_id)
    return named if may else None


def _has_paid(session: Session, user_id: UUID) -> bool:
    mine = sa.select(Payment.id).where(Payment.user_id == user_id, Payment.paid_at.is_not(None))
    return session.scalar(mine.limit(1)) is not None


def name_referrer(session: Session, order: Payment, token: str | None) -> None:
    """Write whose link a locked user's order names, in place of another one.

    Raises:
        ApiError: 422, the link gives this order nothing.
    """
    session.execute(sa.delete(Referral).where(Referral.payment_id == order.id))
    if token is None or order.user_id is None:
        return
    named = find_referrer(session, order.user_id, order.plan, token)
    if named is None:
        detail = "this link gives nothing to this order: leave it out"
        raise invalid(FieldError(path="friend", rule="unknown", detail=detail))
    days = plan(order.plan).friend_days
    session.add(Referral(payment_id=order.id, user_id=named, friend_days=days, created_at=clock()))
    session.flush()


@dataclass(frozen=True, slots=True)
class Friends:
    """What a person's link gave: orders that wait, days, and why there were none for others."""

    url: str
    waiting: int
    days: int
    without: list[ReferralReason]


def read_friends(session: Session, user_id: UUID) -> Friends | None:
    """Return a person's link and what it gave; None where it gives nothing."""
    if not (settings().friends and list_friend_plans() and _has_paid(session, user_id)):
        return None
    paid = sa.select(Referral).join(Payment).where(Referral.user_id == user_id, Payment.paid_at.is_not(None))
    rows = session.scalars(paid.order_by(Referral.created_at)).all()
    given = [each for each in rows if each.days and each.state is ReferralState.GIVEN]
    return Friends(
        url=write_friend_link(user_id),
        waiting=sum(each.state is ReferralState.PENDING for each in rows),
        days=sum(each.days for each in given),
        without=[each.reason for each in rows if each.reason and each not in given],
    )


def list_friend_plans() -> list[Plan]:
    """Return the plans of which an order by a link gives days."""
    return [each for each in plans().values() if each.friend_days]


def list_due(session: Session) -> list[UUID]:
    """Return the orders whose right to withdraw is over, and whose days are not decided; a suspension delays them."""
    now = clock()
    orders = sa.select(Payment).join(Referral, Referral.payment_id == Payment.id)
    waiting = (Referral.state == ReferralState.PENDING, Payment.paid_at < now, User.suspended_at.is_(None))
    paid = session.scalars(orders.outerjoin(User, User.id == Payment.user_id).where(*waiting))
    return [each for each, period in list_periods(session, paid.all()).items() if period.ends_at <= now]


def list_given(session: Session) -> list[UUID]:
    """Return the orders for which days were given that are not over."""
    ours = Grant.id.in_((Referral.grant_id, Referral.friend_grant_id))
    given = sa.select(Referral.payment_id).where(Referral.state == ReferralState.GIVEN)
    return list(session.scalars(given.where(sa.exists().where(ours, Grant.ends_at > clock()))))


def decide(payment_id: UUID) -> bool:
    """Give both their days, or say why not; False where that waits for a charge or for the end of a dispute.

    Raises:
        StripeAway: Stripe does not say by which cards was paid.
    """
    return write_once(_decide, payment_id, _is_same_card(payment_id))


def _is_same_card(payment_id: UUID) -> bool:
    """Ask Stripe whether both paid by one card, or by one account; nothing of that is kept."""
    own = {_read_card(each) for each in read_once(list_intents, payment_id)} - {None}
    return bool(own) and any(_read_card(each) in own for each in read_once(_list_their_intents, payment_id))


def _list_their_intents(session: Session, payment_id: UUID) -> list[str]:
    referrer = sa.select(Referral.user_id).where(Referral.payment_id == payment_id).scalar_subquery()
    paid = sa.select(Payment.id).where(Payment.user_id == referrer, Payment.paid_at.is_not(None))
    theirs = session.scalars(paid.order_by(Payment.id.desc()).limit(_CARDS)).all()
    return [intent for each in theirs for intent in list_intents(session, each)]


def _read_card(intent: str) -> str | None:
    wanted: Any = {"expand": ["latest_charge"]}
    return IntentFacts.of(call(lambda c: c.v1.payment_intents.retrieve(intent, wanted))).card


def _lock(session: Session, payment_id: UUID) -> tuple[Referral, Payment]:
    """Lock both people, by their ids as all code does that locks two, then the order and its row."""
    both = sa.select(Payment.user_id, Referral.user_id).join(Referral, Referral.payment_id == Payment.id)
    for each in sorted(filter(None, session.execute(both.where(Payment.id == payment_id)).one())):
        lock_user(session, each)
    order = lock_payment(session, payment_id)
    return session.get_one(Referral, payment_id, with_for_update=True, populate_existing=True), order


def _decide(session: Session, payment_id: UUID, is_same_card: bool) -> bool:
    row, order = _lock(session, payment_id)
    if row.state is not ReferralState.PENDING:
        return True
    if order.user_id is None:
        return _end(row, ReferralState.REFUSED, ReferralReason.ACCOUNT_GONE)
    if not _is_first(session, order):  # several may wait to be paid, each naming a person
        session.delete(row)
        return True
    if not _is_kept(session, order):
        return _end(row, ReferralState.REFUSED, ReferralReason.MONEY_BACK)
    theirs = _list_addresses(session, row.user_id) if row.user_id else set()
    if is_same_card or _list_addresses(session, order.user_id) & theirs:
        return _end(row, ReferralState.REFUSED, ReferralReason.ONESELF)
    return _give_both(session, row, order, order.user_id)


def _end(row: Referral, state: ReferralState, reason: ReferralReason | None) -> bool:
    row.state, row.reason, row.decided_at = state, reason, clock()
    return True


def _give_both(session: Session, row: Referral, order: Payment, friend_id: UUID) -> bool:
    friend = _find_renewing(session, friend_id)
    referrer = _find_renewing(session, row.user_id) if row.user_id else None
    is_waiting = any(each and _must_wait(session, each) for each in (friend, referrer))
    if is_waiting or read_balances(session, order.id).disputed:
        return False
    row.friend_grant_id = _give(
        session, friend_id, row.friend_days, friend or order.plan, row.friend_grant_id
    )
    if row.user_id is None:
        return _end(row, ReferralState.GIVEN, ReferralReason.ACCOUNT_GONE)
    held, reason = plan(referrer.plan if referrer else _find_paid_plan(session, row.user_id)), None
    if not held.friend_days:
        reason = ReferralReason.NO_PLAN
    elif _count_given(session, row.user_id) >= held.friends_a_year:
        reason = ReferralReason.YEAR_FULL
    else:
        row.days = held.friend_days
        row.grant_id = _give(session, row.user_id, row.days, referrer or held.name, row.grant_id)
    return _end(row, ReferralState.GIVEN, reason)


def _is_first(session: Session, order: Payment) -> bool:
    earlier = sa.tuple_(Payment.paid_at, Payment.id) < (order.paid_at, order.id)
    mine = sa.select(Payment.id).where(Payment.user_id == order.user_id, earlier)
    return session.scalar(mine.limit(1)) is None


def _is_kept(session: Session, order: Payment) -> bool:
    """Whether an order was paid and not withdrawn, and none of its money went back, unless for an outage."""
    back = (Refund.status != RefundStatus.FAILED, Refund.reason != RefundReason.OUTAGE)
    mine = sa.select(Refund.id).where(Refund.payment_id == order.id, *back)
    went_back = order.lost_cents or session.scalar(mine.limit(1))
    withdrawn = has_event(session, order, PaymentEventKind.WITHDRAWN)
    return has_plan(session, order, RefundReason.OUTAGE) and not (went_back or withdrawn)


def _list_addresses(session: Session, user_id: UUID) -> set[str]:
    """Return the mailboxes, by one name each, and numbers of a user, also those that wait or were left lately."""
    by_address = Contact.channel.in_((Channel.EMAIL, Channel.SMS))
    mine = sa.select(Contact).where(Contact.user_id == user_id, by_address)
    return {name_mailbox(text) for each in session.scalars(mine) for text in each.addresses}


def _count_given(session: Session, user_id: UUID) -> int:
    mine = (Referral.user_id == user_id, Referral.days > 0, Referral.decided_at > clock() - _YEAR)
    return session.scalars(sa.select(sa.func.count()).select_from(Referral).where(*mine)).one()


def _find_renewing(session: Session, user_id: UUID) -> Subscription | None:
    mine = sa.select(Subscription).where(Subscription.user_id == user_id, goes_on())
    return session.scalars(mine.where(Subscription.status.in_(COLLECTED)).limit(1)).one_or_none()


def _find_paid_plan(session: Session, user_id: UUID) -> PlanName:
    """Return the largest plan that a user has paid for and that runs."""
    now = clock()
    paid = sa.select(Grant.plan).join(Payment, Payment.id == Grant.payment_id).where(keeps_plan(*FOR_TIME))
    running = paid.where(Grant.user_id == user_id, Grant.starts_at <= now, Grant.ends_at > now)
    return max(session.scalars(running), key=rank_plan, default=PlanName.NONE)


def _must_wait(session: Session, row: Subscription) -> bool:
    """Whether the next charge cannot be moved now: it is near, not paid, or an outage waits for its invoice.

    Stripe makes an invoice of nothing when a charge moves, which would take the credits that wait for the next one.
    """
    near = row.next_charge_at is None or row.next_charge_at < clock() + _FIRST_CHARGE
    return near or row.status not in RENEWING or _has_open_credit(session, row)


def _has_open_credit(session: Session, row: Subscription) -> bool:
    waits = sa.select(WatchCredit.id).join(Payment, Payment.id == WatchCredit.payment_id).where(
        Payment.subscription_id == row.id, WatchCredit.form == CreditForm.INVOICE,
        WatchCredit.borne_by_id.is_(None), WatchCredit.amount_cents > 0,
    )  # fmt: skip
    return session.scalar(waits.limit(1)) is not None


def _give(
    session: Session, user_id: UUID, days: int, held: Subscription | PlanName, used: UUID | None
) -> UUID:
    """Write a grant behind what the user holds, before the next charge of what renews, which moves; tell the user.

    `used`: the one that a dispute ended, whose time is not given again.
    """
    former = session.get_one(Grant, used) if used else None
    length = timedelta(days=days) - (former.ends_at - former.starts_at if former else timedelta())
    if former and length <= timedelta():
        return former.id
    renewing, name = (held, held.plan) if isinstance(held, Subscription) else (None, held)
    charge_at = renewing.next_charge_at if renewing else None
    starts = charge_at or find_plan_end(session, user_id, name, clock())
    grant = Grant(user_id=user_id, plan=name, starts_at=starts, ends_at=starts + length, source=FRIEND)
    session.add(grant)
    if renewing:
        _move_charge(session, renewing, grant.ends_at)
    session.flush()
    pause_excess_alerts(session, user_id)
    wake_alerts(session, user_id, "days for a friend's order")
    _write_grant_message(session, grant, length, "charge" if renewing else "friend")
    return grant.id


def _move_charge(session: Session, row: Subscription, at: datetime) -> None:
    row.charge_at = at
    add_command(session, CommandKind.CHARGE, row.id)


def _write_grant_message(session: Session, grant: Grant, length: timedelta, given: str) -> None:
    paid = (Payment.user_id == grant.user_id, Payment.plan == grant.plan, Payment.paid_at.is_not(None))
    newest = sa.select(Payment.id).where(*paid).order_by(Payment.id.desc()).limit(1)
    params = {
        "payment": str(session.scalars(newest).one()),
        "seconds": round(length.total_seconds()),
        "given": given,
        "amount": 0,
        "ends": grant.ends_at.isoformat(),
    }
    write_message(session, grant.user_id, "credited", params, f"credited:{given}:{grant.id}")


def take_back(session: Session, payment_id: UUID) -> bool:
    """Take back what is unused of both grants where the money of their order went back; return whether it did."""
    row, order = _lock(session, payment_id)
    disputed = read_balances(session, order.id).disputed
    is_kept = _is_kept(session, order)
    if row.state is not ReferralState.GIVEN or (is_kept and not disputed):
        return False
    running = sa.select(Grant).where(
        Grant.id.in_((row.friend_grant_id, row.grant_id)), Grant.ends_at > clock()
    )
    are_ended = [_shorten(session, grant) for grant in session.scalars(running).all()]
    _end(row, ReferralState.TAKEN_BACK, None if all(are_ended) else ReferralReason.CHARGE_TOLD)
    if is_kept and all(are_ended):  # the end of the dispute decides again
        row.state, row.decided_at, row.days = ReferralState.PENDING, None, 0
    return True


def _shorten(session: Session, grant: Grant) -> bool:
    """End a grant, and charge as much earlier.

    False where a message named the day of that charge, or where an outage waits to be given back.
    """
    now, renewing = clock(), _find_renewing(session, grant.user_id)
    left = grant.ends_at - max(grant.starts_at, now)
    charge_at = renewing.charge_at if renewing and renewing.plan is grant.plan else None
    if renewing and charge_at and grant.ends_at <= charge_at:
        earlier = charge_at - left
        if grant.starts_at <= now or earlier < now + _TOLD_CHARGE or _has_open_credit(session, renewing):
            return False
        _move_charge(session, renewing, earlier)
    _write_grant_message(session, grant, left, "taken_back")
    end_grants(session, [grant], now)
    pause_excess_alerts(session, grant.user_id)
    return True
