"""Exports as their users see them: asking for one, how far it is, and its file."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.errors import ApiError, not_found
from api.models.base import new_id, session
from api.models.export import Export
from api.models.job import MAINTENANCE
from configs.ground.background_nudges import nudge
from configs.ground.clock import clock
from configs.ground.encryption import DecryptionFailed, decrypt_file
from configs.ground.object_store import NoBlob, StoreAway, export_blobs

KEPT_FOR = timedelta(days=1)
log = structlog.get_logger(__name__)


def read_export(s: Session, user_id: UUID) -> Export | None:
    """Return the user's export; None where there is none, or it is over."""
    mine = sa.select(Export).where(Export.user_id == user_id, ~_is_over(clock()))
    return s.scalars(mine).one_or_none()


def start_export(s: Session, user_id: UUID) -> Export:
    """Return the user's export, a new one where there is none; `nudge_exports` after the commit."""
    known = read_export(s, user_id)
    if known:
        return known
    lock_user(s, user_id)
    now = clock()
    s.execute(sa.delete(Export).where(Export.user_id == user_id, _is_over(now)))
    wish = insert(Export).values(id=new_id(), user_id=user_id, requested_at=now, next_attempt_at=now)
    s.execute(wish.on_conflict_do_nothing(index_elements=[Export.user_id]))
    return s.scalars(sa.select(Export).where(Export.user_id == user_id)).one()


def nudge_exports() -> None:
    """Have exports made that wait, now; where Redis is away the schedule does it within a minute."""
    _nudge("make_exports")


def nudge_drop() -> None:
    """Have the file of a deleted account deleted, now; its key went with its row."""
    _nudge("drop_exports")


def _nudge(job: str) -> None:
    try:
        nudge(MAINTENANCE, job)
    except RedisError as error:
        log.warning("not nudged, the schedule will", job=job, because=type(error).__name__)


def open_file(export: Export | None) -> bytes:
    """Return the ZIP of an export that is ready. No transaction may be open: the store may take its time.

    One whose file is lost or damaged is dropped, so that the user can have another one made at once.

    Raises:
        api.errors.ApiError: 404, there is none; 503, the store does not answer.
    """
    if export is None or export.file_key is None:
        raise not_found("export: ask for one by GET /api/users/export")
    try:
        stored = export_blobs().get(name_file(export.id, export.attempts))
        return decrypt_file(export.file_key, stored)
    except (NoBlob, DecryptionFailed) as error:
        log.error("the file of an export is lost", export=str(export.id), because=type(error).__name__)  # noqa: TRY400 -- that says it all
        _drop(export)
        raise not_found("export any more: ask for another one") from None
    except StoreAway as error:
        log.error("an export cannot be read", because=str(error))  # noqa: TRY400 -- the store says it all
        headers = {"Retry-After": "60"}
        raise ApiError(503, "unavailable", "the store does not answer: try again", headers=headers) from None


def _drop(export: Export) -> None:
    with session() as s:
        same = (Export.id == export.id, Export.attempts == export.attempts)
        s.execute(sa.delete(Export).where(*same))


def name_file(export_id: UUID, attempt: int) -> str:
    """Return the key of an export's file: each attempt writes its own."""
    return f"{export_id.hex}-{attempt}"


def _is_over(now: datetime) -> sa.ColumnElement[bool]:
    return sa.func.coalesce(Export.expires_at <= now, sa.false())
