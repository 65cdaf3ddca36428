"""Declarations by the form that needs no login. Every address gets the same answer: a stranger may have sent the form.

Each is stored and acknowledged to the typed address. It takes effect when the link in that mail is pressed, otherwise
after three days, where number and address are those of one order.

Those that name one order of the address are counted apart from all others: whoever types an address with wrong numbers
keeps its reader neither from declaring nor from being told.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.declarations.acknowledgements import acknowledge
from api.declarations.applying import link_order
from api.declarations.orders import find_order
from api.declarations.schemas import WithdrawalForm
from api.declarations.withdrawals import RECEIVED, WrittenDeclaration
from api.errors import ApiError
from api.models.base import new_id
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from configs.clock import clock
from configs.contact_addresses import fold_address

UNCONFIRMED_FOR = timedelta(days=3)
ACKNOWLEDGED_A_DAY = 3  # that name no order of the address; further ones are stored without a mail
STORED_A_DAY = 20  # of one address and order
_DAY = timedelta(days=1)
MayMail = Callable[[str], bool]  # whether a mail may go to an address that a stranger may have named
_LOCK = 0x6465636C  # advisory locks of this module


def allow_mail(_email: str) -> bool:
    """Allow a mail where nothing counts them."""
    return True


def receive_withdrawal(
    session: Session, wish: WithdrawalForm, language: str, may_mail: MayMail
) -> WrittenDeclaration:
    """Store a declaration; sent twice by one page, it is one.

    Raises:
        api.errors.ApiError: 429, this address was named too often within a day, whether it is known or not.
    """
    now = clock()  # not after the lock: who declares in the last second must not be late for having waited
    take_turn(session, wish.email)
    declaration_id = name_declaration(wish.declaration, wish.email, wish.order)
    if known := session.get(Declaration, declaration_id):
        return WrittenDeclaration(known, [])
    row = Declaration(
        id=declaration_id,
        kind=DeclarationKind.WITHDRAWAL,
        made_at=now,
        made_by=DeclaredBy.FORM,
        name=wish.name,
        email=wish.email,
        reference=wish.order,
        language=language,
        takes_effect_at=now + UNCONFIRMED_FOR,
    )
    session.add(row)
    session.flush()
    link_order(session, row)
    lately = count_lately(session, row)
    check_count(lately)
    is_told = row.payment_id or (lately <= ACKNOWLEDGED_A_DAY and may_mail(wish.email))
    return WrittenDeclaration(row, acknowledge(session, row, RECEIVED) if is_told else [])


def name_declaration(page: UUID | None, email: str, reference: str) -> UUID:
    """Return the id of a declaration: the same for a page that is sent twice with the same words."""
    return uuid5(page, f"{email}\n{reference}") if page else new_id()


def take_turn(session: Session, email: str) -> None:
    """Let those that name an address at once wait for each other."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, sa.func.hashtext(fold_address(email)))))


def count_lately(session: Session, row: Declaration) -> int:
    """Return how many declarations, this one too, named an address within a day.

    A withdrawal that names an order of the address is counted among those of that order only, which takes its number.
    One that has the number of an order whose account is deleted is counted among those with this number. All others
    are counted alike: the address alone finds a cancellation's contract, and a count would tell of it.
    """
    names_order = (Declaration.kind == DeclarationKind.WITHDRAWAL) & Declaration.payment_id.is_not(None)
    named = row.payment_id if row.kind is DeclarationKind.WITHDRAWAL else None
    lately = sa.select(sa.func.count()).where(
        sa.func.lower(Declaration.email) == fold_address(row.email or ""),
        Declaration.made_at > clock() - _DAY,
        names_order & (Declaration.payment_id == named) if named else ~names_order,
    )
    if named is None and _names_order_without_account(session, row):
        lately = lately.where(_fold_number(Declaration.reference) == _fold_number(row.reference))
    return session.scalars(lately).one()


def _names_order_without_account(session: Session, row: Declaration) -> bool:
    """Return whether a withdrawal has the number of an order whose account is deleted: no address is known of it."""
    if row.kind is not DeclarationKind.WITHDRAWAL or not row.reference:
        return False
    order = find_order(session, row.reference)
    return order is not None and order.user_id is None


def _fold_number(number: sa.SQLColumnExpression[str | None] | str | None) -> sa.ColumnElement[str]:
    return sa.func.upper(sa.func.replace(number, "-", ""))


def check_count(lately: int) -> None:
    """Refuse one declaration too many of an address.

    Raises:
        api.errors.ApiError: 429.
    """
    if lately > STORED_A_DAY:
        detail = "this address was named too often within a day: wait until tomorrow"
        raise ApiError(
            429, "too-many-requests", detail, headers={"Retry-After": str(int(_DAY.total_seconds()))}
        )
