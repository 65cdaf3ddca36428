"""Notices of cancellation from the account or by a mail's link: declared, undone, applied, and read for their pages.

The notice is a row with its second. Until it takes effect nothing but the renewal is stopped, so that it can be undone;
then the job shortens the plan and plans the refund.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.alerts.service import has_waiting
from api.ground.errors import ApiError
from api.models.declaration import Declaration, DeclarationKind
from api.models.payment import Payment, Subscription
from api.models.user import User
from api.payments.billing.quotes import find_subscription
from api.payments.billing.schemas import Cancellation, CancelledAnswer
from api.payments.declarations.cancellation_dates import (
    end_day,
    find_confirmed_end,
    find_end,
    find_first_end,
    find_last_second,
    find_period_end,
    find_unconfirmed_end,
    find_zone,
    list_days,
    list_paid,
    quote_refund,
)
from api.payments.declarations.records import Author, Refusal, acknowledge, declare
from api.payments.declarations.schemas import PERIOD_END
from api.payments.ledger import notices
from api.payments.ledger.early_ends import shorten_paid_time
from api.payments.ledger.grants import end_given_days, end_grace, find_paid_end
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.subscriptions import (
    find_agreed_end,
    find_order_of,
    find_standing_notice,
    is_open_notice,
    request_cancellation,
    select_open_notices,
    take_back_cancellation,
    undo_notices,
)
from configs.ground.clock import clock
from configs.world.plan import PlanName, plan

NOTICED = "cancel_noticed"  # the kind of the receipt


def declare_cancellation(
    session: Session, user_id: UUID, wish: Cancellation, author: Author
) -> tuple[CancelledAnswer, Declaration | None]:
    """Write a notice of the user's, and that the subscription renews no more. Repeated, or later, it changes nothing.

    Return what it answers, and its row (None where the subscription's end was wanted before).

    Raises:
        ApiError: 409, there is no subscription; 422, the day is past, too far on, or beyond what is paid.
    """
    lock_user(session, user_id)
    now, contract = clock(), find_subscription(session, user_id)
    if contract is None or contract.period_ends_at is None:
        raise ApiError(409, "no-subscription", "there is nothing to cancel: no subscription runs")
    paid_until = find_period_end(session, contract, now)
    earliest = find_first_end(session, contract, now)
    ends = find_end(wish, paid_until, find_zone(session, user_id), now, earliest)
    standing = find_standing_notice(session, contract.id)
    if standing and standing.takes_effect_at and standing.takes_effect_at <= ends:
        return _answer(session, contract, standing), standing
    decided = contract.cancel_wanted_at if contract.lapsed_at is None else None
    if standing is None and decided and decided <= ends:
        return CancelledAnswer(ends_at=decided, refund=0, currency="eur"), None
    undo_notices(session, contract.id)  # an earlier end takes its place
    row = declare(
        session,
        DeclarationKind.CANCELLATION,
        author,
        find_order_of(session, contract.id),
        made_at=now,
        user_id=user_id,
        subscription_id=contract.id,
        wished_on=wish.on,
        at_period_end=wish.period_end,
        confirmed_at=now,
        takes_effect_at=ends,
    )
    request_cancellation(session, contract.id, find_last_second(session, contract, ends, now))
    answer = _answer(session, contract, row)
    acknowledge(session, row, NOTICED, refund=answer.refund)
    return answer, row


def confirm_cancellation(session: Session, row: Declaration) -> None:
    """Let a locked notice take effect on its day: its owner read the account's mail. Repeated, nothing changes."""
    contract = session.get(Subscription, row.subscription_id) if row.subscription_id else None
    if contract is None or not row.is_open or row.confirmed_at:
        return
    now = clock()
    row.confirmed_at, row.takes_effect_at = now, find_confirmed_end(session, row, contract, now)
    session.flush()
    request_cancellation(session, contract.id, find_last_second(session, contract, row.takes_effect_at, now))


def undo_cancellations(session: Session, subscription_id: UUID) -> bool:
    """Undo all notices that have not taken effect: the contract goes on. False where there was none.

    The caller has locked the user. Repeated, nothing changes. A contract that is ending now for another reason, such as
    a withdrawal, is not brought back.
    """
    if is_ending(session.get_one(Subscription, subscription_id, populate_existing=True)):
        return False
    open_ones = session.scalars(select_open_notices(subscription_id)).all()
    if not any(each.takes_effect_at and each.takes_effect_at > clock() for each in open_ones):
        return False
    undo_notices(session, subscription_id)
    if any(each.confirmed_at for each in open_ones):
        take_back_cancellation(session, subscription_id)
    return True


def ends_anyhow(session: Session, contract: Subscription) -> bool:
    """Return whether a subscription still ends after an undo: by a notice that is due, by us, or at Stripe."""
    waits = session.scalars(select_open_notices(contract.id).limit(1)).first()
    return bool(waits or contract.ended_at or contract.cancel_wanted_at or find_agreed_end(session, contract))


def is_ending(contract: Subscription) -> bool:
    """Return whether a subscription has ended, or ends as soon as Stripe agrees; a notice that waits ends it later."""
    return bool(contract.ended_at or (contract.cancel_wanted_at and contract.cancel_wanted_at <= clock()))


def close_notices(session: Session, subscription_id: UUID, *, but: UUID) -> None:
    """Close the open notices of a subscription, which this other declaration has ended."""
    session.flush()
    others = sa.update(Declaration).where(is_open_notice(subscription_id), Declaration.id != but)
    session.execute(others.values(refused_because=Refusal.ENDED_BEFORE))


def apply_cancellation(session: Session, row: Declaration, now: datetime) -> None:
    """Apply a locked notice whose time has come: the plan ends, and its unused time goes back."""
    contract = session.get(Subscription, row.subscription_id) if row.subscription_id else None
    if contract is None or row.takes_effect_at is None:
        row.refused_because = Refusal.NO_ORDER
        return
    ends, period_end = row.takes_effect_at, find_paid_end(session, contract.id, row.made_at)
    # Ten days are over without a word from the owner.
    if row.confirmed_at is None and row.at_period_end and period_end and period_end > ends:
        row.takes_effect_at = period_end
        request_cancellation(session, contract.id, period_end)
        return
    paid_until, back = find_paid_end(session, contract.id), 0
    if not row.at_period_end or (paid_until and paid_until > ends):
        paid = list_paid(session, contract, ends)
        back = sum(shorten_paid_time(session, lock_payment(session, each), ends) for each in paid)
    if not row.at_period_end:
        end_given_days(session, row, contract, ends)
    ended_before = bool(contract.ended_at and contract.ended_at < ends)
    request_cancellation(session, contract.id, ends)
    end_grace(session, contract.id, ends)
    row.applied_at, row.refund_cents = now, back
    close_notices(session, contract.id, but=row.id)
    if back or not ended_before:
        notices.write_end_receipt(session, contract, ends, back, subject=ends.isoformat())


def _answer(session: Session, contract: Subscription, row: Declaration) -> CancelledAnswer:
    ends = row.takes_effect_at or row.made_at
    back = 0 if row.at_period_end else quote_refund(session, contract, ends)
    return CancelledAnswer(ends_at=ends, refund=back, currency="eur")


@dataclass(frozen=True, slots=True)
class EndChoice:
    """An end that may be wished: `wished` as the form sends it, the day, the instant, and the cents that go back."""

    wished: str
    day: date
    ends_at: datetime
    refund: int


@dataclass(frozen=True, slots=True)
class NoticeState:
    """A notice: when it ends the contract without another word, and whether it may be confirmed or undone."""

    row: Declaration
    ends_at: datetime
    can_undo: bool
    can_confirm: bool


@dataclass(frozen=True, slots=True)
class Contract:
    """A subscription that runs: its order, the ends to choose from, and the first notice."""

    plan: PlanName
    number: str
    zone: ZoneInfo
    language: str
    choices: list[EndChoice]
    charged_at: datetime  # unless it ends before
    notice: NoticeState | None
    ends_at: datetime | None  # also where it was cancelled at Stripe

    @property
    def price(self) -> int:
        """What a month costs, in cents."""
        return plan(self.plan).price_cents

    def find_choice(self, wished: str | None) -> EndChoice | None:
        """Return the end that was wished; None where it is none of these."""
        return next((each for each in self.choices if each.wished == wished), None)


def read_own_contract(session: Session, user_id: UUID) -> Contract | None:
    """Return the user's subscription; None without one, and until its first period is known."""
    row = find_subscription(session, user_id)
    if row is None or row.period_ends_at is None:
        return None
    now, zone, order = clock(), find_zone(session, user_id), find_order_of(session, row.id)
    paid_until = find_period_end(session, row, now)
    notice = read_own_notice(session, user_id)
    known = row.cancel_wanted_at or find_agreed_end(session, row)
    return Contract(
        plan=row.plan,
        number=(order.order_number if order else None) or str(row.id),
        zone=zone,
        language=session.scalars(sa.select(User.language).where(User.id == user_id)).one(),
        choices=list(_list_choices(session, row, paid_until, zone)),
        charged_at=max(paid_until, row.charge_at or paid_until),
        notice=notice,
        ends_at=notice.ends_at if notice and notice.row.confirmed_at else known,
    )


def read_end_offer(session: Session, user_id: UUID) -> Contract | None:
    """Return the subscription that goes on although nothing is waited for any more; None where there is none."""
    contract = read_own_contract(session, user_id)
    return contract if contract and not contract.ends_at and not has_waiting(session, user_id) else None


def read_own_notice(session: Session, user_id: UUID) -> NoticeState | None:
    """Return the first notice that the user's subscription waits for."""
    row = find_subscription(session, user_id)
    first = session.scalars(select_open_notices(row.id).limit(1)).one_or_none() if row else None
    return read_notice(session, first.id) if first else None


def find_order_owner(session: Session, payment_id: UUID) -> UUID | None:
    """Return who placed the order of a subscription that runs; None where it is over, or the account is gone.

    The link of an old mail must not end a subscription that was ordered later.
    """
    order = session.get(Payment, payment_id)
    contract = find_subscription(session, order.user_id) if order and order.user_id else None
    return contract.user_id if order and contract and contract.id == order.subscription_id else None


def read_notice(session: Session, declaration_id: UUID) -> NoticeState | None:
    """Return a notice of cancellation; None where there is none."""
    row = session.get(Declaration, declaration_id)
    if row is None or row.kind is not DeclarationKind.CANCELLATION:
        return None
    contract = session.get(Subscription, row.subscription_id) if row.subscription_id else None
    ends_at = row.takes_effect_at or row.made_at
    if contract and row.is_open and row.confirmed_at is None:
        ends_at = find_unconfirmed_end(session, row, contract)
    at = row.takes_effect_at
    waits = bool(contract and row.is_open and at and at > clock() and not is_ending(contract))
    return NoticeState(row, ends_at, can_undo=waits, can_confirm=waits and row.confirmed_at is None)


def _list_choices(
    session: Session, row: Subscription, paid_until: datetime, zone: ZoneInfo
) -> Iterator[EndChoice]:
    now = clock()
    last, earliest = max(paid_until, now), find_first_end(session, row, now)
    yield EndChoice(PERIOD_END, last.astimezone(zone).date(), last, 0)
    for day in list_days(now, zone):
        ends = end_day(day, zone)
        if now < paid_until and earliest <= ends <= paid_until:
            yield EndChoice(day.isoformat(), day, ends, quote_refund(session, row, ends))
