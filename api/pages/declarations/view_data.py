"""Data of the pages about withdrawals."""

from uuid import UUID

from api.declarations.queries import OrderState, read_declaration, read_order
from api.errors import ApiError
from api.middleware.languages import use_account_language
from api.models.base import autocommit_session
from api.models.declaration import Declaration
from configs.signing import LinkRefused, unsign

SCOPE = "withdraw"  # of the link in an order mail
_MAX_AGE = 500 * 86400  # seconds: longer than any period


def read_order_token(token: str) -> UUID:
    """Return the order that a link is about.

    Raises:
        configs.signing.LinkRefused: it is expired or forged.
    """
    payload = unsign(SCOPE, token, _MAX_AGE)
    try:
        return UUID(payload["payment"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None


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
        return read_declaration(s, declaration_id)
