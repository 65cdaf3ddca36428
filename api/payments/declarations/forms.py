"""Declarations by the two forms that need no login. Their answer never depends on the names: strangers may send one.

Each is stored and told to the typed address. It takes effect when the link in a mail is pressed. Otherwise a withdrawal
does after three days, where number and address are those of one order, and a cancellation after ten days: until then
its owner undoes it. Its contract is found by its order's number, otherwise by the account's address.

Those that name one order of the address are counted apart from all others: a stranger who types an address with
wrong numbers keeps its reader neither from declaring nor from the mails about it.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import find_user
from api.ground.errors import ApiError
from api.ground.messages import write_to_address
from api.models.base import new_id
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.payment import Payment, Subscription
from api.models.user import User
from api.payments.billing.quotes import find_subscription
from api.payments.declarations.cancellation_dates import LONGEST_NOTICE, find_held_end, quote_both_ends
from api.payments.declarations.cancellations import NOTICED, is_ending
from api.payments.declarations.records import acknowledge, describe, find_order, is_address_of, link_order
from api.payments.declarations.schemas import CancellationForm, WithdrawalForm
from api.payments.declarations.withdrawals import RECEIVED
from api.payments.ledger import notices
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.subscriptions import find_order_of
from configs.ground.addresses import fold_address
from configs.ground.clock import clock

UNCONFIRMED_FOR = timedelta(days=3)  # a withdrawal
ACKNOWLEDGED_A_DAY = 3  # that name no order of the address; further ones are stored without a mail
STORED_A_DAY = 20  # of one address and order
LINKED_A_DAY = 3  # cancellations of one contract; more of them wait for an operator
_DAY = timedelta(days=1)
MayMail = Callable[[str], bool]  # whether a mail may go to an address that a stranger may have named
_LOCK = 0x6465636C  # advisory locks of this module


def store_declaration(
    session: Session, wish: WithdrawalForm | CancellationForm, language: str, may_mail: MayMail
) -> Declaration:
    """Store a declaration; sent twice by one page, it is one.

    Raises:
        ApiError: 429, this address was named too often within a day, whether it is known or not.
    """
    row = _build(wish, language)  # before the lock: who declares in the last second must not be late
    # Those that name an address at once wait for each other.
    turn = sa.func.pg_advisory_xact_lock(_LOCK, sa.func.hashtext(fold_address(wish.email)))
    session.execute(sa.select(turn))
    if known := session.get(Declaration, row.id):
        return known
    session.add(row)
    session.flush()
    lately = _count_lately(session, row)
    if lately > STORED_A_DAY:
        detail = "this address was named too often within a day: wait until tomorrow"
        retry = {"Retry-After": str(int(_DAY.total_seconds()))}
        raise ApiError(429, "too-many-requests", detail, headers=retry)

    def may_tell() -> bool:
        return lately <= ACKNOWLEDGED_A_DAY and may_mail(wish.email)

    if row.kind is DeclarationKind.CANCELLATION:
        _tell_cancellation(session, row, _link_contract(session, row), may_tell)
        return row
    link_order(session, row)
    if row.payment_id or may_tell():
        acknowledge(session, row, RECEIVED)
    return row


def _build(wish: WithdrawalForm | CancellationForm, language: str) -> Declaration:
    now, words = clock(), wish.reference
    row = Declaration(
        kind=DeclarationKind.WITHDRAWAL,
        made_at=now,
        made_by=DeclaredBy.FORM,
        name=wish.name,
        email=wish.email,
        reference=wish.reference,
        language=language,
        takes_effect_at=now + UNCONFIRMED_FOR,
    )
    if isinstance(wish, CancellationForm):
        words = f"{words} {wish.wished}"
        row.kind, row.takes_effect_at = DeclarationKind.CANCELLATION, now + LONGEST_NOTICE
        row.wished_on, row.at_period_end = wish.choice.on, wish.choice.period_end
    row.id = name_declaration(wish.declaration, wish.email, words)
    return row


def name_declaration(page: UUID | None, email: str, reference: str) -> UUID:
    """Return the id of a declaration: the same for a page that is sent twice with the same words."""
    return uuid5(page, f"{email}\n{reference}") if page else new_id()


def _count_lately(session: Session, row: Declaration) -> int:
    """Return how many declarations, this one too, named an address within a day.

    One whose number is that of an order of the address, or whose account is deleted, is counted among those of its kind
    with this number. All others are counted alike: the address alone finds a cancellation's contract, and a count would
    tell of it.
    """
    email, order = row.email or "", find_order(session, row.reference or "")
    if order and (order.user_id is None or is_address_of(session, order, email)):
        same = (Declaration.kind == row.kind) & (_fold(Declaration.reference) == _fold(row.reference))
    else:
        same = (Declaration.kind == DeclarationKind.CANCELLATION) | Declaration.payment_id.is_(None)
    lately = sa.select(sa.func.count()).where(
        sa.func.lower(Declaration.email) == fold_address(email), Declaration.made_at > clock() - _DAY, same
    )
    return session.scalars(lately).one()


def _fold(number: sa.SQLColumnExpression[str | None] | str | None) -> sa.ColumnElement[str]:
    return sa.func.upper(sa.func.replace(number, "-", ""))


def _link_contract(session: Session, row: Declaration) -> Payment | None:
    """Find the contract of a notice; return its order."""
    order = find_order(session, row.reference or "")
    if order is None or order.subscription_id is None:
        user = find_user(session, row.email or "")
        running = find_subscription(session, user.id) if user else None
        order = find_order_of(session, running.id) if running else None
    if order is None or order.user_id is None or order.subscription_id is None:
        return None
    lock_payment(session, order.id)
    contract = session.get_one(Subscription, order.subscription_id)
    if is_ending(contract) or _count_linked(session, contract) >= LINKED_A_DAY:
        return None
    row.payment_id, row.subscription_id, row.user_id = order.id, contract.id, order.user_id
    session.flush()
    return order


def _count_linked(session: Session, contract: Subscription) -> int:
    """Return how many notices without a login named a contract within a day: its owner got a mail for each."""
    lately = sa.select(sa.func.count()).where(
        Declaration.subscription_id == contract.id,
        Declaration.made_by == DeclaredBy.FORM,
        Declaration.made_at > clock() - _DAY,
    )
    return session.scalars(lately).one()


def _tell_cancellation(
    session: Session, row: Declaration, order: Payment | None, may_tell: Callable[[], bool]
) -> None:
    """Write the receipt to the account's address, and to the typed one where that is another one.

    Of those that name no contract the admins hear once a day: one may count nevertheless, within ten days.
    """
    key = f"{NOTICED}:{row.id}"
    if order and order.user_id:
        contract = session.get_one(Subscription, order.subscription_id)
        known = quote_both_ends(session, row, contract)
        params, owner = describe(row, own=True) | known, session.get_one(User, order.user_id)
        if held := find_held_end(session, row, contract):
            params["held"] = held.isoformat()
        write_to_address(
            session, owner.email, NOTICED, params, key, language=owner.language, user_id=owner.id
        )
    else:
        detail = f"declaration {row.id}: a cancellation that names no contract; there may be more of them"
        day = f"cancellation-open:{clock():%Y-%m-%d}"
        notices.tell_admins(session, "declaration_open", detail, key=day)
    if row.email and not (order and is_address_of(session, order, row.email)) and may_tell():
        params, key = describe(row, own=False), f"{key}:typed"
        write_to_address(session, row.email, NOTICED, params, key, language=row.language)
