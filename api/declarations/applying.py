"""Effects of declarations: at once where their author is known, otherwise by a job. Repeated, nothing changes twice.

A declaration is committed before it is applied, so that it counts from its second whatever happens in between.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.declarations.acknowledgements import tell_result
from api.declarations.cancellations import apply_cancellation, close_notices
from api.declarations.orders import find_order, is_address_of
from api.declarations.refusals import DOUBTFUL, Refusal
from api.declarations.withdrawals import find_first_instant, quote_in_period
from api.models.base import session as open_session
from api.models.declaration import OPEN_DECLARATION, Declaration, DeclarationKind
from api.payments import notices
from api.payments.effects import Effects
from api.payments.errors import WithdrawalRefused
from api.payments.later_starts import REMEMBERED, count_withdrawals
from api.payments.ledger import lock_payment
from api.payments.withdrawal import withdraw
from api.payments.withdrawal_periods import was_informed
from configs.clock import clock
from configs.database_errors import passes

RESULT = "withdrawn"  # the kind of the message about what came of it
_REPEATED = 2  # withdrawals of one person that are worth a mail to the admins
_AT_ONCE = 100  # between two looks at what is due
_ROUND_SECONDS = 20.0  # of the job: its worker does other things with money, too

log = structlog.get_logger(__name__)


def apply_declaration(declaration_id: UUID) -> None:
    """Apply a declaration whose time has come; any other stays as it is. Call it after the commit that wrote it."""
    with open_session() as s:
        effects = _apply(s, declaration_id)
    effects.run()


def apply_soon(declaration_id: UUID) -> None:
    """Apply a declaration; where that fails, its author is answered nevertheless, and the job tries again."""
    try:
        apply_declaration(declaration_id)
    except Exception:  # it is written, and that is what counts
        log.exception("a declaration waits for the job", declaration=str(declaration_id))


def apply_due() -> dict[str, int]:
    """Apply the declarations that are due, for so long at most; any number that fail keep no other from its turn."""
    ends, failed = time.monotonic() + _ROUND_SECONDS, 0
    tried: set[UUID] = set()
    while time.monotonic() < ends:
        with open_session() as s:
            due = [each for each in find_due_declarations(s, _AT_ONCE + failed) if each not in tried]
        if not due:
            break
        failed += sum(not _try(each) for each in due)
        tried.update(due)
    return {"due": len(tried), "failed": failed}


def _try(declaration_id: UUID) -> bool:
    try:
        apply_declaration(declaration_id)
    except Exception as error:
        if passes(error):
            raise
        # whatever one meets, the others have their turn
        log.exception("a declaration is not applied", declaration=str(declaration_id))
        return False
    return True


def find_due_declarations(session: Session, most: int) -> list[UUID]:
    """Return the declarations that are to be applied now."""
    due = sa.select(Declaration.id).where(
        sa.text(OPEN_DECLARATION), Declaration.takes_effect_at <= clock(), Declaration.kind.in_(_APPLIERS)
    )
    return list(session.scalars(due.order_by(Declaration.takes_effect_at).limit(most)))


def lock_declaration(session: Session, declaration_id: UUID) -> Declaration | None:
    """Lock a declaration, after the user and the payment that it is about: in one order, as all code does."""
    known = session.get(Declaration, declaration_id)
    if known is None:
        return None
    order = find_order(session, known.reference) if known.reference and not known.payment_id else None
    if payment_id := order.id if order else known.payment_id:
        lock_payment(session, payment_id)
    return session.get_one(Declaration, declaration_id, with_for_update=True, populate_existing=True)


def link_order(session: Session, row: Declaration) -> None:
    """Find the order that a form's declaration names: its number and its address must agree.

    An order whose account is gone has no address any more. Its number stood in the order mail only, and its money goes
    back to who paid: it is enough, once the mail's link was pressed.
    """
    if row.payment_id or not row.reference or not row.email:
        return
    found = find_order(session, row.reference)
    if found is None:
        return
    order = lock_payment(session, found.id)  # its account may be going just now
    if (order.user_id is None and row.confirmed_at) or is_address_of(session, order, row.email):
        row.payment_id, row.user_id, row.subscription_id = order.id, order.user_id, order.subscription_id
        session.flush()


def refuse(session: Session, row: Declaration, because: str) -> list[UUID]:
    """Close a locked declaration without effect, with its reason; doubtful reasons go to the operators."""
    row.refused_because = because
    session.flush()
    if because not in DOUBTFUL:
        return []
    # Strangers may send thousands of these: one mail a day; the list of declarations has all of them.
    subject = f"{because}:{clock():%Y-%m-%d}" if because == Refusal.NO_ORDER else row.id
    detail = f"declaration {row.id}: {because}; there may be more of them"
    return notices.tell_admins(session, "declaration_open", detail, key=f"declaration:{subject}")


def _apply(session: Session, declaration_id: UUID) -> Effects:
    row = lock_declaration(session, declaration_id)
    now = clock()
    if row is None or not row.is_open or row.takes_effect_at is None or row.takes_effect_at > now:
        return Effects()
    return _APPLIERS[row.kind](session, row, now)


def _apply_withdrawal(session: Session, row: Declaration, now: datetime) -> Effects:
    link_order(session, row)
    if row.payment_id is None:
        return Effects(mails=refuse(session, row, Refusal.NO_ORDER))
    order = lock_payment(session, row.payment_id)
    try:
        quote_in_period(session, order, row.made_at)
        declared_at = find_first_instant(session, row)
        done = withdraw(session, order.id, declared_at, informed=was_informed(session, order, declared_at))
    except WithdrawalRefused as error:
        return _refuse_withdrawal(session, row, error)
    row.applied_at, row.refund_cents = now, done.refund_cents
    if order.subscription_id:
        close_notices(session, order.subscription_id, but=row.id)
    effects = done.effects
    effects.mails += tell_result(session, row, RESULT)
    effects.mails += _tell_repetition(session, row, now)
    return effects


def _tell_repetition(session: Session, row: Declaration, now: datetime) -> list[UUID]:
    """Tell the admins of a person who withdraws again and again, once a day at most."""
    many, first_at = count_withdrawals(session, row)
    if many < _REPEATED:
        return []
    detail = f"payment {row.payment_id}: withdrawal {many} of one person within {REMEMBERED.days} days"
    who = row.user_id or first_at.isoformat()
    return notices.tell_admins(
        session, "withdrawn_again", detail, key=f"withdrawn-again:{who}:{now:%Y-%m-%d}"
    )


def _refuse_withdrawal(session: Session, row: Declaration, error: WithdrawalRefused) -> Effects:
    mails = refuse(session, row, error.because)
    if error.because != Refusal.WITHDRAWN_BEFORE:  # the first declaration was answered
        mails += tell_result(session, row, RESULT)
    return Effects(mails=mails)


_APPLIERS: Mapping[DeclarationKind, Callable[[Session, Declaration, datetime], Effects]] = {
    DeclarationKind.WITHDRAWAL: _apply_withdrawal,
    DeclarationKind.CANCELLATION: apply_cancellation,
}
