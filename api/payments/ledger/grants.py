"""Grants that payments give: they begin when it is paid, and end with a full refund or a lost dispute."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.accounts.queries import lock_user
from api.alerts.plan_limits import pause_excess_alerts
from api.alerts.service import wake_alerts
from api.alerts.unwatched import record_unwatched
from api.ground.messages import get_effects
from api.models.base import first_id_at
from api.models.declaration import Declaration
from api.models.payment import (
    CreditForm,
    Payment,
    PaymentEvent,
    PaymentEventKind,
    PaymentStatus,
    PlanCredit,
    Subscription,
    WatchCredit,
)
from api.models.stripe_event import CommandKind, StripeCommand
from api.models.user import Grant
from api.payments.gateway.facts import Period
from api.payments.ledger.book import (
    measure_seconds,
    post_end,
    post_revival,
    post_upgrade,
    read_balances,
    share,
)
from api.payments.ledger.payment_events import add_event, list_credits, lock_payment
from api.payments.ledger.subscriptions import (
    COLLECTED,
    end_unpaid,
    find_standing_notice,
    goes_on,
    request_cancellation,
    take_back_cancellation,
)
from api.payments.ledger.watch_gaps import list_unwatched
from api.payments.ledger.withdrawal_rules import find_later_start
from configs.ground.clock import clock
from configs.world.plan import PlanName, plan, rank_plan

# How long a plan goes on after a renewal that failed
GRACE_PERIOD = timedelta(days=3)

PAYMENT, GRACE, REVIVED, CREDIT = "payment", "grace", "revived", "credit"  # sources of grants
# Of days for a friend's order: of no payment; those of what renews lie between two paid periods
FRIEND = "friend"
_DELETION = "account"  # subject of the event that ends a plan with its account
# Of a paid month's end: the job that begins days of grace runs each 5 minutes.
_GRACE_AHEAD = timedelta(minutes=15)


def give_paid_plan(session: Session, payment: Payment, now: datetime, period: Period | None) -> None:
    """Give the plan that a payment of a user paid for.

    A subscription's grant covers `period`. A short plan begins now, or where a running one of its name ends, or later
    as its order says; the cheaper plans that its order credited end now.
    """
    for credit in list_credits(session, payment):
        cheaper = lock_payment(session, credit.credited_payment_id)
        end_grants(session, _list_running(session, cheaper, now), now)
        post_upgrade(session, credit)
        add_event(session, cheaper, PaymentEventKind.PLAN_ENDED, now, subject=str(payment.id))
    if period:
        _drop_grace(session, payment)
        add_grant(session, payment, PAYMENT, period.start, period.end)
    else:
        if payment.begins_later:
            starts = find_later_start(session, payment.user_id, now)
        else:
            starts = find_plan_end(session, payment.user_id, payment.plan, now)
        ends = starts + timedelta(seconds=plan(payment.plan).duration_seconds or 0)
        add_grant(session, payment, PAYMENT, starts, ends)
    _follow(session, payment, "plan began")


def give_grace(session: Session, payment: Payment, starts: datetime) -> None:
    """Let a plan go on for GRACE_PERIOD from the end of what was paid: its renewal, this payment, is not paid yet.

    Days of grace that began before the renewal was known become this payment's.
    """
    known = sa.select(Grant.id).where(Grant.payment_id == payment.id)
    if session.scalar(known.limit(1)):
        return
    begun = session.scalars(_select_early_grace(payment.subscription_id)).first()
    if begun:
        begun.payment_id = payment.id
        session.flush()
        return
    add_grant(session, payment, GRACE, starts, starts + GRACE_PERIOD)
    _follow(session, payment, "days of grace began")


def begin_grace(session: Session, now: datetime) -> int:
    """Begin the days of grace of paid months that are about to end, or did lately, without waiting for Stripe.

    Their renewal may not be heard of for hours, and no alert would go out meanwhile. They belong to no payment yet.
    Return how many alerts go on by them.
    """
    given = aliased(Grant)
    days = (given.user_id == Subscription.user_id, given.plan == Subscription.plan, given.source == FRIEND)
    given_end = sa.select(sa.func.max(given.ends_at)).where(*days).scalar_subquery()
    until = sa.func.greatest(sa.func.max(Grant.ends_at), given_end)
    paid = (
        sa.select(Subscription.id, until)
        .join(Payment, Payment.subscription_id == Subscription.id)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Grant.source == PAYMENT, Subscription.user_id.is_not(None))
        .where(Subscription.status.in_(COLLECTED), goes_on())
        .group_by(Subscription.id)
        .having(until.between(now - GRACE_PERIOD, now + _GRACE_AHEAD))
    )
    for subscription_id, paid_until in session.execute(paid).all():
        row = session.get_one(Subscription, subscription_id)
        if row.user_id:
            _begin_grace(session, row, row.user_id, paid_until)
    return len(get_effects(session).alerts)


def move_given_days(session: Session, subscription_id: UUID, since: datetime, by: timedelta) -> None:
    """Move the days for friends' orders, and the next charge, behind a period that was charged before they could be."""
    row = session.get_one(Subscription, subscription_id)
    if row.user_id is None:
        return
    lock_user(session, row.user_id)
    session.refresh(row, with_for_update=True)
    mine = (Grant.user_id == row.user_id, Grant.source == FRIEND, Grant.plan == row.plan)
    for grant in session.scalars(sa.select(Grant).where(*mine, Grant.starts_at >= since)):
        grant.starts_at, grant.ends_at = grant.starts_at + by, grant.ends_at + by
        row.charge_at = max(grant.ends_at, row.charge_at or grant.ends_at)


def _begin_grace(session: Session, row: Subscription, user_id: UUID, paid_until: datetime) -> None:
    lock_user(session, user_id)
    session.refresh(row)
    covered = sa.select(Grant.id).where(
        Grant.user_id == user_id, Grant.plan == row.plan, Grant.ends_at > paid_until
    )
    if row.cancel_wanted_at or session.scalar(covered.limit(1)):
        return
    ends = paid_until + GRACE_PERIOD
    session.add(Grant(user_id=user_id, plan=row.plan, starts_at=paid_until, ends_at=ends, source=GRACE))
    session.flush()
    wake_alerts(session, user_id, "days of grace began")


def end_unpaid_plans(session: Session, now: datetime, user_id: UUID | None = None) -> list[UUID]:
    """End the subscriptions, of one user or all, whose days of grace are over; return those that Stripe is asked of."""
    grace = sa.and_(Grant.source == GRACE, Grant.payment_id.is_(None), Grant.plan == Subscription.plan)
    last, last_grace = sa.func.max(Grant.ends_at), sa.func.max(Grant.ends_at).filter(Grant.source == GRACE)
    unpaid = (
        sa.select(Subscription.id)
        .join(Grant, Grant.user_id == Subscription.user_id)
        .outerjoin(Payment, Payment.id == Grant.payment_id)
        .where(grace | (Payment.subscription_id == Subscription.id))
        .where(Subscription.ended_at.is_(None))  # a notice may have wished a later end
        .where(Subscription.cancel_wanted_at.is_(None) | (Subscription.cancel_wanted_at > now))
        .group_by(Subscription.id)
        .having(last <= now, last == last_grace)
        .order_by(Subscription.user_id, Subscription.id)
    )
    whose = Subscription.user_id == user_id if user_id else sa.true()
    for each in session.scalars(unpaid.where(whose)).all():
        if owner := session.get_one(Subscription, each).user_id:
            lock_user(session, owner)  # it may be paid just now
        for still_unpaid in session.scalars(unpaid.where(Subscription.id == each)).all():
            end_unpaid(session, still_unpaid, now)
    asked = (StripeCommand.kind == CommandKind.END, StripeCommand.subject_id == Subscription.id)
    waiting = sa.select(Subscription.id).where(
        whose, Subscription.lapsed_at.is_not(None), sa.exists().where(*asked)
    )
    return list(session.scalars(waiting))


def keep_paid(session: Session, payment: Payment) -> bool:
    """Let a month that was paid after its days of grace run to its end; return whether it renews then."""
    row = session.get_one(Subscription, payment.subscription_id)
    if row.lapsed_at:
        take_back_cancellation(session, row.id)
        if find_standing_notice(session, row.id):  # it takes effect on its own day, and nothing renews
            request_cancellation(session, row.id, find_paid_end(session, row.id) or clock())
    return not (row.ended_at or row.cancel_wanted_at or row.cancel_at)


def _select_early_grace(subscription_id: UUID | None) -> sa.Select[Grant]:
    """Select the days of grace of a subscription's user that belong to no payment yet."""
    mine = sa.select(Subscription.user_id).where(Subscription.id == subscription_id).scalar_subquery()
    return (
        sa.select(Grant)
        .where(Grant.user_id == mine, Grant.source == GRACE, Grant.payment_id.is_(None))
        .with_for_update()
    )


def end_grace(session: Session, subscription_id: UUID, ends: datetime) -> None:
    """End a subscription's days of grace at `ends`, when it ends itself: nothing is left to be paid."""
    mine = sa.select(Payment.id).where(Payment.subscription_id == subscription_id)
    known = sa.select(Grant).where(Grant.payment_id.in_(mine), Grant.source == GRACE).with_for_update()
    _shorten(session, session.scalars(known), ends)
    end_early_grace(session, subscription_id, ends)


def end_early_grace(session: Session, subscription_id: UUID, ends: datetime) -> None:
    """End the days of grace that belong to no payment yet at `ends`."""
    _shorten(session, session.scalars(_select_early_grace(subscription_id)), ends)


def _shorten(session: Session, grants: Iterable[Grant], ends: datetime) -> None:
    for grant in grants:
        if grant.ends_at > ends:
            grant.ends_at = max(ends, grant.starts_at + timedelta(seconds=1))
    session.flush()


def find_paid_end(
    session: Session, subscription_id: UUID, begun_by: datetime | None = None
) -> datetime | None:
    """Return until when what a subscription paid lasts, with the days for friends' orders that go on from there.

    Stripe's own row may be a period ahead. `begun_by`: of periods that had begun then, as a notice means no later one.
    """
    paid = (
        sa.select(sa.func.max(Grant.ends_at))
        .join(Payment, Payment.id == Grant.payment_id)
        .where(Payment.subscription_id == subscription_id, Grant.source == PAYMENT)
    )
    end = session.scalar(paid.where(Grant.starts_at <= begun_by) if begun_by else paid)
    given = sa.select(Grant).join(Subscription, Subscription.user_id == Grant.user_id).where(
        Subscription.id == subscription_id, Grant.plan == Subscription.plan, Grant.source == FRIEND
    )  # fmt: skip
    for grant in session.scalars(given.order_by(Grant.starts_at)):
        if end and grant.starts_at <= end:
            end = max(end, grant.ends_at)
    return end


def end_given_days(session: Session, notice: Declaration, contract: Subscription, ends: datetime) -> None:
    """End the days for friends' orders that a subscription's owner had when its end was wished for an earlier day."""
    given = sa.select(Grant).where(
        Grant.user_id == contract.user_id, Grant.plan == contract.plan, Grant.source == FRIEND,
        Grant.id < first_id_at(notice.made_at), Grant.ends_at > ends,
    )  # fmt: skip
    end_grants(session, session.scalars(given.order_by(Grant.starts_at.desc())).all(), ends)


def end_paid_plan(session: Session, payment: Payment, now: datetime, unused: Fraction) -> None:
    """End a payment's running grants now. One that has not begun is deleted, and later ones move up.

    Its subscription, if it has one, is cancelled: it must not be renewed. The cheaper plans that its order credited go
    on for the time that was credited, or for this part of it: the rest was used as time of the dearer plan.
    """
    running = _list_running(session, payment, now)
    if not running or payment.user_id is None:
        return
    end_grants(session, running, now)
    if payment.subscription_id:
        request_cancellation(session, payment.subscription_id, now)
    _follow(session, payment, "plan ended")
    for credit in list_credits(session, payment) if unused else ():
        _revive(session, credit, now, math.ceil(credit.seconds * unused))


def end_repaid_plan(
    session: Session, payment: Payment, now: datetime, cause: str, kept: int | None = None
) -> None:
    """End a payment's grants now, whose money went back or is ordered to.

    Credited plans go on for what neither that money covers nor the cents that are `kept` for what was used.
    """
    kept = price_use(session, payment, now) if kept is None else kept
    end_paid_plan(session, payment, now, Fraction(0))
    rest = read_balances(session, payment.id).claims - kept
    revive_rest(session, payment, now, rest)
    post_revival(session, payment.id, cause, max(rest, 0))


def revive_rest(session: Session, payment: Payment, ends: datetime, cents: int) -> None:
    """Let credited plans go on where a cancelled plan ends, for the part of their credit that no refund covers."""
    credited = list_credits(session, payment)
    whole = sum(each.amount_cents for each in credited)
    for credit in credited if cents > 0 and whole else ():
        _revive(session, credit, ends, -(-credit.seconds * min(cents, whole) // whole))


def _revive(session: Session, credit: PlanCredit, at: datetime, seconds: int) -> None:
    """Give a credited plan this time, from `at` or behind what runs then."""
    cheaper = lock_payment(session, credit.credited_payment_id)
    if not cheaper.user_id or cheaper.status is not PaymentStatus.COMPLETED:
        return
    starts = find_plan_end(session, cheaper.user_id, cheaper.plan, at)
    add_grant(session, cheaper, REVIVED, starts, starts + timedelta(seconds=seconds))
    _follow(session, cheaper, "plan revived")


def measure_use(
    session: Session, payment: Payment, until: datetime, *, served: bool = False
) -> tuple[int, int]:
    """Return the seconds of a payment's plan that were used and watched up to `until`, and those it paid for.

    Time without watching was not used, in whatever form it is given back. `served`: only what was given as time is
    taken off, as that is still to be served.
    """
    grants = session.scalars(sa.select(Grant).where(Grant.payment_id == payment.id)).all()
    if payment.user_id is None and not grants:  # they went with the account
        return _read_kept_use(session, payment, until)
    ran = [(each.starts_at, min(each.ends_at, until)) for each in grants]
    bought = plan(payment.plan).duration_seconds
    if bought is None:
        starts, ends = find_period(session, payment)
        bought = round((ends - starts).total_seconds()) if starts and ends else 0
    if served:
        time = (WatchCredit.payment_id == payment.id, WatchCredit.form == CreditForm.TIME)
        given = session.scalar(sa.select(sa.func.sum(WatchCredit.seconds)).where(*time)) or 0
        return measure_seconds(ran, (), bought + given, until) - given, bought
    holes = list_unwatched(session, payment, until, fresh=True)
    unwatched = [(each.starts_at, each.ends_at) for each in holes]
    return measure_seconds(ran, unwatched, bought, until), bought


def price_use(session: Session, payment: Payment, until: datetime) -> int:
    """Return the cents that a payment's plan has earned up to `until`."""
    return share(read_balances(session, payment.id).worth, *measure_use(session, payment, until))


def find_period(session: Session, payment: Payment) -> tuple[datetime | None, datetime | None]:
    """Return the period that a payment pays for; None twice where its plan never began.

    It is what was bought, also where a withdrawal, a cancellation or an upgrade has ended it since.
    """
    grant = session.scalars(
        sa.select(Grant).where(Grant.payment_id == payment.id, Grant.source == PAYMENT).limit(1)
    ).one_or_none()
    if grant is None:
        return None, None
    if seconds := plan(payment.plan).duration_seconds:
        return grant.starts_at, grant.starts_at + timedelta(seconds=seconds)
    row = session.get(Subscription, payment.subscription_id) if payment.subscription_id else None
    if row and row.period_starts_at == grant.starts_at and row.period_ends_at:
        return grant.starts_at, row.period_ends_at
    return grant.starts_at, _find_next_start(session, payment, grant, row) or grant.ends_at


def _find_next_start(
    session: Session, payment: Payment, grant: Grant, row: Subscription | None
) -> datetime | None:
    """Return where the period after a grant's begins; None without one. The grant's own end may have come early."""
    later = sa.select(sa.func.min(Grant.starts_at)).outerjoin(Payment, Payment.id == Grant.payment_id)
    same = (Payment.subscription_id == payment.subscription_id) & (Grant.source == PAYMENT)
    given = (Grant.user_id == grant.user_id) & (Grant.source == FRIEND) & (Grant.plan == grant.plan)
    found = {session.scalar(later.where(same | given, Grant.starts_at > grant.starts_at))}
    found.add(row.period_starts_at if row else None)
    return min((each for each in found if each and each > grant.starts_at), default=None)


def keep_use(session: Session, user_id: UUID, now: datetime) -> None:
    """Note how much of each paid plan was used, before its grants go with the account: withdrawals ask for it later."""
    paid = sa.select(Payment.id).join(Grant, Grant.payment_id == Payment.id).where(Payment.user_id == user_id)
    for payment_id in session.scalars(paid.distinct().order_by(Payment.id)).all():
        payment = lock_payment(session, payment_id)
        used, bought = measure_use(session, payment, now)
        post_end(session, payment_id, f"deleted:{payment_id}", price_use(session, payment, now))
        add_event(
            session, payment, PaymentEventKind.PLAN_ENDED, now, subject=_DELETION, used=used, bought=bought
        )


def _read_kept_use(session: Session, payment: Payment, until: datetime) -> tuple[int, int]:
    """Return what `keep_use` noted; nothing was used where it noted nothing."""
    noted = sa.select(PaymentEvent).where(
        PaymentEvent.payment_id == payment.id,
        PaymentEvent.kind == PaymentEventKind.PLAN_ENDED,
        PaymentEvent.subject == _DELETION,
    )
    event = session.scalars(noted).one_or_none()
    if event is None:
        return 0, plan(payment.plan).duration_seconds or 0
    after = max(event.at - until, timedelta(0))  # a declaration from before the deletion
    return max(0, event.details["used"] - math.ceil(after.total_seconds())), event.details["bought"]


def _follow(session: Session, payment: Payment, reason: str) -> None:
    session.flush()
    if payment.user_id:
        pause_excess_alerts(session, payment.user_id)
        wake_alerts(session, payment.user_id, reason)


def add_grant(session: Session, payment: Payment, source: str, starts: datetime, ends: datetime) -> None:
    """Write a grant of a payment's plan to its user."""
    grant = Grant(user_id=payment.user_id, payment_id=payment.id, plan=payment.plan, source=source)
    grant.starts_at, grant.ends_at = starts, ends
    session.add(grant)
    session.flush()


def find_plan_end(session: Session, user_id: UUID | None, name: PlanName, now: datetime) -> datetime:
    """Return the end of a user's plan of that name, or of a larger one that was paid for; now where none runs.

    What is bought or given back goes on from there: beside another plan it would be of no use.
    """
    larger = Grant.plan.in_(list(PlanName)[rank_plan(name) :]) & Grant.payment_id.is_not(None)
    mine = (Grant.user_id == user_id, (Grant.plan == name) | larger, Grant.ends_at > now)
    return session.scalar(sa.select(sa.func.max(Grant.ends_at)).where(*mine)) or now


def _list_running(session: Session, payment: Payment, now: datetime) -> list[Grant]:
    """Return a payment's grants that are not over, the last one first: each that ends moves the later ones up."""
    mine = sa.select(Grant).where(Grant.payment_id == payment.id, Grant.ends_at > now)
    return list(session.scalars(mine.order_by(Grant.starts_at.desc())))


def end_grants(session: Session, grants: Sequence[Grant], now: datetime) -> None:
    """End grants now, after their unwatched time is written; those that adjoin them begin earlier."""
    if grants:
        record_unwatched(session, grants[0].user_id, now)
    for grant in grants:
        end, freed = grant.ends_at, grant.ends_at - max(grant.starts_at, now)
        if grant.starts_at < now:
            grant.ends_at = now
        else:
            session.delete(grant)
        session.flush()
        _move_up(session, grant, end, freed)


def _move_up(session: Session, ended: Grant, end: datetime, freed: timedelta) -> None:
    """Let the grants that adjoined an ended one begin earlier.

    A subscription's periods stay: Stripe sets them. So do orders that begin later: their time to withdraw comes first.
    """
    later = (
        sa.select(Grant)
        .outerjoin(Payment, Payment.id == Grant.payment_id)
        .where(
            Grant.user_id == ended.user_id,
            (Grant.plan == ended.plan) | Grant.source.in_((REVIVED, CREDIT)),
            Grant.starts_at >= end,
            Payment.subscription_id.is_(None),
            sa.func.coalesce(Payment.consent["startNow"].as_boolean(), sa.true()),
        )
    )
    for grant in session.scalars(later.order_by(Grant.starts_at)):
        if grant.starts_at != end:
            break
        end = grant.ends_at
        grant.starts_at, grant.ends_at = grant.starts_at - freed, grant.ends_at - freed
    session.flush()


def _drop_grace(session: Session, payment: Payment) -> None:
    """The period that was paid late covers the days of grace."""
    mine = sa.select(Grant).where(Grant.payment_id == payment.id, Grant.source == GRACE)
    early = session.scalars(_select_early_grace(payment.subscription_id)).all()
    for grant in [*session.scalars(mine), *early]:
        session.delete(grant)
    session.flush()
