"""Confirmation of a form's declaration by the signed link of its acknowledgement: its author reads that address.

By the same link who reads it undoes what a stranger declared in their name, until it has taken effect.
"""

from uuid import UUID

from sqlalchemy.orm import Session

from api.declarations.applying import link_order, lock_declaration
from api.models.declaration import Declaration
from configs.clock import clock


def confirm_declaration(session: Session, declaration_id: UUID) -> Declaration | None:
    """Let a declaration take effect now; `apply_declaration` follows the commit. Repeated, nothing changes."""
    row = lock_declaration(session, declaration_id)
    if row is None or not row.is_open or row.confirmed_at:
        return row
    row.confirmed_at = clock()
    link_order(session, row)
    if row.takes_effect_at:
        row.takes_effect_at = min(row.takes_effect_at, row.confirmed_at)
    session.flush()
    return row


def undo_declaration(session: Session, declaration_id: UUID) -> Declaration | None:
    """Undo an unconfirmed declaration before it takes effect. Repeated, nothing changes."""
    row = lock_declaration(session, declaration_id)
    if row and row.is_open and row.confirmed_at is None:
        row.undone_at = clock()
        session.flush()
    return row
