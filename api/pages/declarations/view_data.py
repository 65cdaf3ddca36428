"""Data of the pages about withdrawals."""

from uuid import UUID

from api.declarations.withdrawals import OrderState, read_order
from api.errors import ApiError
from api.middleware.languages import use_account_language
from api.models.base import autocommit_session
from api.models.declaration import Declaration


def find_order(payment_id: UUID) -> OrderState | None:
    """Return an order with its state, None where there is none; the page is in its account's language."""
    try:
        with autocommit_session() as s:
            found = read_order(s, payment_id)
    except ApiError:
        return None
    if found.language:
        use_account_language(found.language)
    return found


def find_declaration(declaration_id: UUID) -> Declaration | None:
    """Return a declaration."""
    with autocommit_session() as s:
        return s.get(Declaration, declaration_id)
