"""Effects of declarations: at once where their author is known, otherwise by a job. Repeated, nothing changes twice.

A declaration is committed before it is applied, so that it counts from its second whatever happens in between.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.declarations.cancellations import apply_cancellation
from api.declarations.records import lock_declaration
from api.declarations.withdrawals import apply_withdrawal
from api.models.base import session as open_session
from api.models.declaration import OPEN_DECLARATION, Declaration, DeclarationKind
from api.payments.effects import Effects
from api.separate_parts import do_due
from configs.ground.clock import clock

_APPLIERS: Mapping[DeclarationKind, Callable[[Session, Declaration, datetime], Effects]] = {
    DeclarationKind.WITHDRAWAL: apply_withdrawal,
    DeclarationKind.CANCELLATION: apply_cancellation,
}
_ROUND_SECONDS = 20.0  # of the job: its worker does other things with money, too

log = structlog.get_logger(__name__)


def apply_declaration(declaration_id: UUID) -> None:
    """Apply a declaration whose time has come; any other stays as it is. Call it after the commit that wrote it."""
    with open_session() as s:
        row, now = lock_declaration(s, declaration_id), clock()
        if row is None or not row.is_open or row.takes_effect_at is None or row.takes_effect_at > now:
            return
        effects = _APPLIERS[row.kind](s, row, now)
    effects.run()


def apply_soon(declaration_id: UUID) -> None:
    """Apply a declaration; where that fails, its author is answered nevertheless, and the job tries again."""
    try:
        apply_declaration(declaration_id)
    except Exception:  # it is written, and that is what counts
        log.exception("a declaration waits for the job", declaration=str(declaration_id))


def apply_due() -> dict[str, int]:
    """Apply the declarations that are due, for so long at most; any number that fail keep no other from its turn."""
    done, failed = do_due("apply_declarations", _list_due, apply_declaration, _ROUND_SECONDS)
    return {"due": done + failed, "failed": failed}


def _list_due(session: Session, most: int) -> list[UUID]:
    due = sa.select(Declaration.id).where(sa.text(OPEN_DECLARATION), Declaration.takes_effect_at <= clock())
    return list(session.scalars(due.order_by(Declaration.takes_effect_at).limit(most)))
