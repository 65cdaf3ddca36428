"""Notices of cancellation by the form that needs no login: each address and number gets the same answer.

A stranger may have sent one: it takes effect when its owner presses the link that was sent to the account's address,
otherwise after ten days, and the owner undoes it until then. A contract is found by its order's number, otherwise by
the account's address.
"""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.accounts.queries import find_user
from api.billing.quotes import find_subscription
from api.declarations.cancellation_dates import (
    LONGEST_NOTICE,
    find_confirmed_end,
    find_last_second,
    quote_both_ends,
)
from api.declarations.cancellations import NOTICED, find_order_of, is_ending
from api.declarations.forms import ACKNOWLEDGED_A_DAY, MayMail, check_count, name_declaration, take_turn
from api.declarations.orders import find_order, is_address_of
from api.declarations.schemas import CancellationForm
from api.declarations.withdrawals import WrittenDeclaration
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.payment import Payment, Subscription
from api.payments import notices
from api.payments.ledger import lock_payment
from api.payments.subscriptions import request_cancellation
from configs.clock import clock
from configs.contact_addresses import fold_address

LINKED_A_DAY = 3  # notices to one contract; more of them wait for an operator
_DAY = timedelta(days=1)


def receive_cancellation(
    session: Session, wish: CancellationForm, language: str, may_mail: MayMail
) -> WrittenDeclaration:
    """Store a notice; sent twice by one page, it is one.

    Raises:
        api.errors.ApiError: 429, this address was named too often within a day, whether it is known or not.
    """
    take_turn(session, wish.email)
    declaration_id = name_declaration(wish.declaration, wish.email, f"{wish.reference} {wish.wished}")
    if known := session.get(Declaration, declaration_id):
        return WrittenDeclaration(known, [])
    now, chosen = clock(), wish.choice
    row = Declaration(
        id=declaration_id,
        kind=DeclarationKind.CANCELLATION,
        made_at=now,
        made_by=DeclaredBy.FORM,
        name=wish.name,
        email=wish.email,
        reference=wish.reference,
        language=language,
        wished_on=chosen.on,
        at_period_end=chosen.period_end,
        takes_effect_at=now + LONGEST_NOTICE,
    )
    session.add(row)
    session.flush()
    lately = _count_lately(session, row)
    check_count(lately)
    order = _link_contract(session, row)
    is_quiet = lately > ACKNOWLEDGED_A_DAY or not may_mail(wish.email)
    return WrittenDeclaration(row, _tell_both(session, row, order, quiet=is_quiet))


def confirm_cancellation(session: Session, row: Declaration) -> None:
    """Let a locked notice take effect on its day: its owner read the account's mail. Repeated, nothing changes."""
    contract = session.get(Subscription, row.subscription_id) if row.subscription_id else None
    if contract is None or not row.is_open or row.confirmed_at:
        return
    now = clock()
    row.confirmed_at, row.takes_effect_at = now, find_confirmed_end(session, row, contract, now)
    session.flush()
    request_cancellation(session, contract.id, find_last_second(session, contract, row.takes_effect_at, now))


def _count_lately(session: Session, row: Declaration) -> int:
    """Return how many notices, this one too, named an address within a day.

    Where the number is that of an order of this address, others with the same number count: whoever types an address
    with wrong numbers does not keep its reader from declaring.
    """
    lately = sa.select(sa.func.count()).where(
        Declaration.kind == DeclarationKind.CANCELLATION,
        sa.func.lower(Declaration.email) == fold_address(row.email or ""),
        Declaration.made_at > clock() - _DAY,
    )
    order = find_order(session, row.reference or "")
    if order and is_address_of(session, order, row.email or ""):
        lately = lately.where(Declaration.reference == row.reference)
    return session.scalars(lately).one()


def _link_contract(session: Session, row: Declaration) -> Payment | None:
    """Find the contract of a notice; return its order."""
    order = find_order(session, row.reference or "")
    if order is None or order.subscription_id is None:
        order = _find_order_by_address(session, row.email or "")
    if order is None or order.user_id is None or order.subscription_id is None:
        return None
    lock_payment(session, order.id)
    contract = session.get_one(Subscription, order.subscription_id)
    if is_ending(contract) or _count_linked(session, contract) >= LINKED_A_DAY:
        return None
    row.payment_id, row.subscription_id, row.user_id = order.id, contract.id, order.user_id
    session.flush()
    return order


def _find_order_by_address(session: Session, email: str) -> Payment | None:
    user = find_user(session, email)
    contract = find_subscription(session, user.id) if user else None
    return find_order_of(session, contract.id) if contract else None


def _count_linked(session: Session, contract: Subscription) -> int:
    """Return how many notices without a login named a contract within a day: its owner got a mail for each."""
    lately = sa.select(sa.func.count()).where(
        Declaration.subscription_id == contract.id,
        Declaration.made_by == DeclaredBy.FORM,
        Declaration.made_at > clock() - _DAY,
    )
    return session.scalars(lately).one()


def _tell_both(session: Session, row: Declaration, order: Payment | None, *, quiet: bool) -> list[UUID]:
    """Write the receipt to the typed address, and to the account's where that is another one."""
    params, key = {"declaration": str(row.id)}, f"{NOTICED}:{row.id}"
    mails: list[UUID] = []
    if order and order.user_id:
        known = quote_both_ends(session, row, session.get_one(Subscription, order.subscription_id))
        mails += notifier.create_notifications(session, order.user_id, NOTICED, params | known, key)
    else:
        mails += _tell_admins(session, row)
    if row.email and not quiet and not (order and is_address_of(session, order, row.email)):
        typed = f"{key}:typed"
        mails += notifier.notify_address(session, row.email, NOTICED, params, typed, language=row.language)
    return mails


def _tell_admins(session: Session, row: Declaration) -> list[UUID]:
    """Tell the admins, once a day, that notices name no contract: one may count nevertheless, within ten days."""
    detail = f"declaration {row.id}: a cancellation that names no contract; there may be more of them"
    return notices.tell_admins(
        session, "declaration_open", detail, key=f"cancellation-open:{clock():%Y-%m-%d}"
    )
