"""Data of the pages where a contract is cancelled without a login."""

from uuid import UUID

from api.declarations.cancellations import (
    Contract,
    NoticeState,
    find_order_owner,
    read_notice,
    read_own_contract,
)
from api.middleware.languages import use_account_language
from api.models.base import autocommit_session


def find_owner(payment_id: UUID) -> UUID | None:
    """Return who placed an order whose subscription runs."""
    with autocommit_session() as s:
        return find_order_owner(s, payment_id)


def find_contract(user_id: UUID | None) -> Contract | None:
    """Return a user's subscription; the page is in the account's language."""
    if user_id is None:
        return None
    with autocommit_session() as s:
        found = read_own_contract(s, user_id)
    if found:
        use_account_language(found.language)
    return found


def find_notice(declaration_id: UUID) -> NoticeState | None:
    """Return a notice of cancellation."""
    with autocommit_session() as s:
        return read_notice(s, declaration_id)
