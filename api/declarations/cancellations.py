"""Notices of cancellation from the account or by a mail's link: declared, undone, applied.

The notice is a row with its second. Until it takes effect nothing but the renewal is stopped, so that it can be undone;
then the job shortens the plan and plans the refund.
"""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.service import lock_user
from api.billing.quotes import find_subscription
from api.billing.schemas import Cancellation, CancelledAnswer
from api.declarations.cancellation_dates import (
    find_confirmed_end,
    find_end,
    find_last_second,
    find_period_end,
    find_zone,
    list_paid,
    quote_refund,
)
from api.declarations.records import Author, Refusal, acknowledge, write
from api.errors import ApiError
from api.models.declaration import Declaration, DeclarationKind
from api.models.payment import Subscription
from api.payments import notices
from api.payments.early_ends import shorten_paid_time
from api.payments.effects import Effects
from api.payments.grants import end_grace, find_paid_end
from api.payments.ledger import lock_payment
from api.payments.subscriptions import (
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

NOTICED = "cancel_noticed"  # the kind of the receipt


def declare_cancellation(
    session: Session, user_id: UUID, wish: Cancellation, author: Author
) -> tuple[CancelledAnswer, Declaration | None, list[UUID]]:
    """Write a notice of the user's, and that the subscription renews no more. Repeated, or later, it changes nothing.

    Return what it answers, its row (None where the subscription's end was wanted before), and the notifications to
    nudge.

    Raises:
        api.errors.ApiError: 409, there is no subscription; 422, the day is past, too far on, or beyond what is paid.
    """
    lock_user(session, user_id)
    now, contract = clock(), find_subscription(session, user_id)
    if contract is None or contract.period_ends_at is None:
        raise ApiError(409, "no-subscription", "there is nothing to cancel: no subscription runs")
    paid_until = find_period_end(session, contract, now)
    ends = find_end(wish, paid_until, find_zone(session, user_id), now)
    standing = find_standing_notice(session, contract.id)
    if standing and standing.takes_effect_at and standing.takes_effect_at <= ends:
        return _answer(session, contract, standing), standing, []
    if standing is None and contract.cancel_wanted_at and contract.cancel_wanted_at <= ends:
        known = CancelledAnswer(ends_at=contract.cancel_wanted_at, refund=0, currency="eur")
        return known, None, []
    undo_notices(session, contract.id)  # an earlier end takes its place
    row = write(
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
    return answer, row, acknowledge(session, row, NOTICED, refund=answer.refund)


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


def apply_cancellation(session: Session, row: Declaration, now: datetime) -> Effects:
    """Apply a locked notice whose time has come: the plan ends, and its unused time goes back."""
    contract = session.get(Subscription, row.subscription_id) if row.subscription_id else None
    if contract is None or row.takes_effect_at is None:
        row.refused_because = Refusal.NO_ORDER
        return Effects()
    ends, period_end = row.takes_effect_at, find_paid_end(session, contract.id, row.made_at)
    # Ten days are over without a word from the owner.
    if row.at_period_end and period_end and period_end > ends:
        row.takes_effect_at = period_end
        request_cancellation(session, contract.id, period_end)
        return Effects()
    effects, paid_until, back = Effects(), find_paid_end(session, contract.id), 0
    if not row.at_period_end or (paid_until and paid_until > ends):
        paid = list_paid(session, contract, ends)
        back = sum(shorten_paid_time(session, lock_payment(session, each), ends) for each in paid)
    ended_before = bool(contract.ended_at and contract.ended_at < ends)
    request_cancellation(session, contract.id, ends)
    end_grace(session, contract.id, ends)
    row.applied_at, row.refund_cents = now, back
    close_notices(session, contract.id, but=row.id)
    if back or not ended_before:
        subject = ends.isoformat()
        effects.mails += notices.confirm_cancellation(session, contract, ends, back, subject=subject)
    return effects


def _answer(session: Session, contract: Subscription, row: Declaration) -> CancelledAnswer:
    ends = row.takes_effect_at or row.made_at
    back = 0 if row.at_period_end else quote_refund(session, contract, ends)
    return CancelledAnswer(ends_at=ends, refund=back, currency="eur")
