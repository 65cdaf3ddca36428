"""The files of exports: archives (export_archive.py), built and encrypted by jobs.

The store holds one file for each row of `exports` and nothing else: what has no row is deleted.
"""

import tempfile
from datetime import timedelta
from time import monotonic
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.ground.messages import write_message
from api.models.base import session, write_once
from api.models.export import Export
from api.privacy.export_archive import write_archive
from api.privacy.exports import KEPT_FOR, name_file
from configs.ground.clock import clock
from configs.ground.encryption import encrypt_file, make_file_key
from configs.ground.object_store import StoreAway, export_blobs

_ROUND_SECONDS = 60.0  # of one job that builds what waits
_WAIT, _LONGEST_WAIT = timedelta(minutes=2), timedelta(hours=1)
_PART = ".part"  # ends the name of a file that is being written
log = structlog.get_logger(__name__)


def make_exports() -> dict[str, int]:
    """Build the exports that wait, one after the other, for a minute at most."""
    ends, made = monotonic() + _ROUND_SECONDS, 0
    while monotonic() < ends:
        export = write_once(_claim)
        if export is None:
            break
        made += _make(export)
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


def _claim(s: Session) -> Export | None:
    """Take the export that waits longest; another worker has it again only after the wait."""
    now = clock()
    due = (Export.next_attempt_at <= now) | (Export.next_attempt_at > now + 2 * _LONGEST_WAIT)
    waiting = sa.select(Export).where(due).order_by(Export.next_attempt_at).limit(1)
    export = s.scalars(waiting.with_for_update(skip_locked=True)).one_or_none()
    if export:
        export.next_attempt_at = now + min(_WAIT * 2 ** min(export.attempts, 10), _LONGEST_WAIT)
        export.attempts += 1
    return export


def _make(claimed: Export) -> bool:
    """Build an export and tell its user; False where the store is away, or the account was deleted meanwhile."""
    key, name = make_file_key(), name_file(claimed.id, claimed.attempts)
    try:
        size = _store(claimed.user_id, key, name)
    except NoResultFound:
        return False
    except StoreAway as error:
        log.error("an export waits for its store", because=str(error))  # noqa: TRY400 -- the store says it all
        return False
    is_ready = write_once(_finish, claimed, key, size)
    if not is_ready:
        export_blobs().delete_each([name])
    return is_ready


def _store(user_id: UUID, key: str, name: str) -> int:
    """Write the archive to a file without a name, then to the store, encrypted; return its size."""
    with tempfile.TemporaryFile() as file:
        write_archive(user_id, file)
        size = file.tell()
        file.seek(0)
        export_blobs().put(name, encrypt_file(key, file.read()))
    return size


def _finish(s: Session, claimed: Export, key: str, size: int) -> bool:
    """Write that an export is ready, and its mail; False where the row is gone, or another worker's by now."""
    lock_user(s, claimed.user_id)
    now = clock()
    mine = (Export.id == claimed.id, Export.attempts == claimed.attempts, Export.ready_at.is_(None))
    export = s.scalars(sa.select(Export).where(*mine).with_for_update()).one_or_none()
    if export is None:
        return False
    export.ready_at, export.expires_at, export.next_attempt_at = now, now + KEPT_FOR, None
    export.file_key, export.size_bytes = key, size
    params = {"at": export.expires_at.isoformat()}
    write_message(s, export.user_id, "export_ready", params, f"export_ready:{export.id}")
    return True
