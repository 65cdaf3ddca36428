"""Jobs of exports: building the archives that wait, and dropping those that are over.

The store holds one file for each row of `exports` and nothing else: what has no row is deleted.
"""

import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

import notifier
from api.alerts.service import lock_user
from api.exports.archive import write_archive
from api.exports.service import KEPT_FOR, name_file
from api.models.base import session
from api.models.export import Export
from configs.ground.clock import clock
from configs.ground.encryption import encrypt_file, make_file_key
from configs.ground.object_store import StoreAway, export_blobs

_ROUND_SECONDS = 60.0  # of one job that builds what waits
_WAIT, _LONGEST_WAIT = timedelta(minutes=2), timedelta(hours=1)
_PART = ".part"  # ends the name of a file that is being written
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ExportClaim:
    """An export that this worker builds, and the number of its attempt."""

    id: UUID
    user_id: UUID
    attempt: int


def make_exports() -> dict[str, int]:
    """Build the exports that wait, one after the other, for a minute at most."""
    ends, made = time.monotonic() + _ROUND_SECONDS, 0
    while time.monotonic() < ends:
        with session() as s:
            claim = _claim(s)
        if claim is None:
            break
        made += _make(claim)
    return {"made": made}


def drop_exports() -> dict[str, int]:
    """Drop the exports that are over, and the files of rows that are gone, as with a deleted account."""
    with session() as s:
        over = sa.delete(Export).where(Export.expires_at <= clock()).returning(Export.id)
        dropped = len(s.scalars(over).all())
    return {"dropped": dropped, "files": drop_files()}


def drop_files() -> int:
    """Delete the files that no row names; return how many. A row is there before its file."""
    blobs = export_blobs()
    names = blobs.names()
    if not names:
        return 0
    with session() as s:
        known = {name_file(*row) for row in s.execute(sa.select(Export.id, Export.attempts))}
    stray = [name for name in names if name.removesuffix(_PART) not in known]
    blobs.delete_each(stray)
    return len(stray)


def _claim(s: Session) -> ExportClaim | None:
    """Take the export that waits longest; another worker has it again only after the wait."""
    now = clock()
    due = (Export.next_attempt_at <= now) | (Export.next_attempt_at > now + 2 * _LONGEST_WAIT)
    waiting = sa.select(Export).where(due).order_by(Export.next_attempt_at).limit(1)
    export = s.scalars(waiting.with_for_update(skip_locked=True)).one_or_none()
    if export is None:
        return None
    export.next_attempt_at = now + min(_WAIT * 2 ** min(export.attempts, 10), _LONGEST_WAIT)
    export.attempts += 1
    return ExportClaim(export.id, export.user_id, export.attempts)


def _make(claim: ExportClaim) -> bool:
    """Build an export and tell its user; False where the store is away, or the account was deleted meanwhile."""
    key, name = make_file_key(), name_file(claim.id, claim.attempt)
    try:
        size = _store(claim, key, name)
    except NoResultFound:
        return False
    except StoreAway as error:
        log.error("an export waits for its store", because=str(error))  # noqa: TRY400 -- the store says it all
        return False
    with session() as s:
        mails = _finish(s, claim, key, size)
    if mails is None:
        export_blobs().delete_each([name])
        return False
    notifier.nudge(mails)
    return True


def _store(claim: ExportClaim, key: str, name: str) -> int:
    """Write the archive to a file without a name, then to the store, encrypted; return its size."""
    with tempfile.TemporaryFile() as file:
        write_archive(claim.user_id, file)
        size = file.tell()
        file.seek(0)
        export_blobs().put(name, encrypt_file(key, file.read()))
    return size


def _finish(s: Session, claim: ExportClaim, key: str, size: int) -> list[UUID] | None:
    """Write that an export is ready, and its mail; None where the row is gone, or another worker's by now."""
    lock_user(s, claim.user_id)
    now = clock()
    mine = (Export.id == claim.id, Export.attempts == claim.attempt, Export.ready_at.is_(None))
    export = s.scalars(sa.select(Export).where(*mine).with_for_update()).one_or_none()
    if export is None:
        return None
    export.ready_at, export.expires_at, export.next_attempt_at = now, now + KEPT_FOR, None
    export.file_key, export.size_bytes = key, size
    params = {"at": export.expires_at.isoformat()}
    return notifier.create_notifications(s, claim.user_id, "export_ready", params, f"export_ready:{claim.id}")
