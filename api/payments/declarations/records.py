"""Rows of declarations: how they are written, locked, linked with their order, acknowledged, refused and answered."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import has_address
from api.ground.messages import write_to_address
from api.models.base import new_id
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.payment import Payment
from api.models.user import User
from api.payments.ledger import notices
from api.payments.ledger.payment_events import lock_payment
from configs.ground.clock import clock

_NUMBER = re.compile(r"[2-9A-HJ-NP-Z]{10}")


class Refusal(StrEnum):
    """Why a declaration has no effect; those up to CREDITED are of api.payments.ledger.early_ends."""

    RENEWAL = "renewal"
    WITHDRAWN_BEFORE = "withdrawn_before"
    MONEY_BACK = "money_back"
    PERFORMED = "performed"
    CREDITED = "credited"
    PERIOD_OVER = "period_over"
    NO_ORDER = "no_order"  # number and address are not those of one order
    ENDED_BEFORE = "ended_before"  # another notice ended the contract


# An operator has a look at these: the declaration may still count.
DOUBTFUL = frozenset({Refusal.NO_ORDER, Refusal.CREDITED})


@dataclass(frozen=True, slots=True)
class Author:
    """Who declares: name and address are None where they are not given."""

    made_by: DeclaredBy
    language: str
    name: str | None = None
    email: str | None = None  # for the acknowledgement, where no account has one


def declare(
    session: Session, kind: DeclarationKind, author: Author, order: Payment | None, **columns: Any
) -> Declaration:
    """Write what a known author declares about an order."""
    row = Declaration(
        id=new_id(),
        kind=kind,
        made_by=author.made_by,
        payment_id=order.id if order else None,
        name=author.name,
        reference=order.order_number if order else None,
        language=author.language,
        **columns,
    )
    session.add(row)
    session.flush()
    return row


def find_order(session: Session, reference: str) -> Payment | None:
    """Return the paid order that a typed number names."""
    number = reference.replace("-", "").upper()
    orders = sa.select(Payment).where(Payment.consented_at.is_not(None), Payment.paid_at.is_not(None))
    if not _NUMBER.fullmatch(number):
        return None
    return session.scalars(orders.where(Payment.order_number == number)).one_or_none()


def is_address_of(session: Session, order: Payment, email: str) -> bool:
    """Return whether an e-mail address is that of the account which placed an order."""
    mine = sa.select(User.id).where(User.id == order.user_id, has_address(email))
    return session.scalar(mine) is not None


def find_declaration(session: Session, declaration_id: UUID) -> Declaration | None:
    """Return a declaration of whatever kind."""
    return session.get(Declaration, declaration_id)


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


def refuse(session: Session, row: Declaration, because: str) -> None:
    """Close a locked declaration without effect, with its reason; doubtful reasons go to the operators."""
    row.refused_because = because
    session.flush()
    if because not in DOUBTFUL:
        return
    # Strangers may send thousands of these: one mail a day; the list of declarations has all of them.
    subject = f"{because}:{clock():%Y-%m-%d}" if because == Refusal.NO_ORDER else row.id
    detail = f"declaration {row.id}: {because}; there may be more of them"
    notices.tell_admins(session, "declaration_open", detail, key=f"declaration:{subject}")


def acknowledge(
    session: Session, row: Declaration, kind: str, *, to_typed: bool = True, **amounts: int
) -> None:
    """Write a message about a declaration.

    The acknowledgement, with the content and the second, goes to the address that was typed, otherwise to the
    account's. What came of it later goes to the account's while there is one (`to_typed` false). `amounts` are cents.
    """
    owner = None if row.email and to_typed else row.user_id
    address = session.get_one(User, owner).email if owner else row.email
    if address:
        params = describe(row, own=owner is not None) | amounts
        key, language = f"{kind}:{row.id}", row.language
        write_to_address(session, address, kind, params, key, language=language, user_id=owner)


def describe(row: Declaration, *, own: bool) -> dict[str, str | int]:
    """Return the params of a mail about a declaration, with the words that it loses with its account.

    `own` is whether it goes to the account's address.
    """
    words: dict[str, str | int] = {
        "declaration": str(row.id),
        "name": row.name or "",
        "email": row.email or "",
    }
    return words | {"own": True} if own else words
