"""The files of exports: a ZIP with a JSON file for each table and a page that explains them; jobs build and encrypt it.

The store holds one file for each row of `exports` and nothing else: what has no row is deleted.
"""

import json
import tempfile
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from time import monotonic
from typing import IO, Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

import sqlalchemy as sa
import structlog
from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.ground.messages import write_message
from api.ground.translations import LANGUAGES, load_translations
from api.models.base import session, write_once
from api.models.user import Export, User
from api.privacy.exports import EXPORTED, KEPT_FOR, ExportedTable, name_file, name_user, select_rows
from configs.ground.clock import clock
from configs.ground.encryption import DecryptionFailed, decrypt, encrypt_file, make_file_key
from configs.ground.object_store import StoreAway, export_blobs
from configs.ground.text import FRENCH, RIGHT_TO_LEFT, write_first

_FOLDER = Path(__file__).parent / "templates"
_AT_ONCE = 500  # rows in memory
_ENCRYPTED = "gAAAAA"  # how Fernet's texts begin
_SECRET = frozenset({"code"})  # keys of messages' values: a code by SMS
_ROUND_SECONDS = 60.0  # of one job that builds what waits
_WAIT, _LONGEST_WAIT = timedelta(minutes=2), timedelta(hours=1)
_PART = ".part"  # ends the name of a file that is being written
log = structlog.get_logger(__name__)


def render_index(language: str, email: str, counts: Mapping[str, int], now: datetime) -> str:
    """Return the page; `counts` are the rows of each table."""
    language = language if language in LANGUAGES else FRENCH
    return (
        _environment(language)
        .get_template("index.html")
        .render(
            lang=language,
            dir="rtl" if language in RIGHT_TO_LEFT else "ltr",
            email=email,
            day=write_first(format_datetime(now, "long", locale=language)),
            tables=EXPORTED,
            counts=counts,
        )
    )


@cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )  # fmt: skip
    made.install_gettext_translations(load_translations(language), newstyle=True)  # type: ignore[attr-defined] # of the extension
    return made


def write_archive(user_id: UUID, into: IO[bytes]) -> None:
    """Write everything about a user, as it is at one moment.

    Raises:
        sqlalchemy.exc.NoResultFound: the account was deleted.
    """
    with session() as s:
        s.connection(execution_options={"isolation_level": "REPEATABLE READ"})  # one snapshot for all tables
        language, email = s.execute(sa.select(User.language, User.email).where(User.id == user_id)).one()
        with ZipFile(into, "w", ZIP_DEFLATED) as archive:
            counts = {each.name: _write_table(s, archive, each, user_id) for each in EXPORTED}
            archive.writestr("index.html", render_index(language, email, counts, clock()))


def _write_table(s: Session, archive: ZipFile, exported: ExportedTable, user_id: UUID) -> int:
    """Write a table row by row; return how many rows it has."""
    count, query = 0, select_rows(exported).execution_options(yield_per=_AT_ONCE)
    with archive.open(f"{exported.name}.json", "w") as raw, TextIOWrapper(raw, "utf-8") as file:
        for row in s.execute(query, name_user(user_id)).mappings():
            told = {name: _clean(value) if name == "params" else value for name, value in row.items()}
            file.write(",\n" if count else "[\n")
            json.dump(told, file, ensure_ascii=False, default=_write_value)
            count += 1
        file.write("\n]\n" if count else "[]\n")
    return count


def _clean(params: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a message without secrets, with what is encrypted among them readable."""
    return {name: _decrypt(value) for name, value in params.items() if name not in _SECRET}


def _decrypt(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(_ENCRYPTED):
        return value
    try:
        return decrypt(value)
    except DecryptionFailed:
        return None


def _write_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)


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
