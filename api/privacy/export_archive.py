"""The archive of an export: a ZIP with a JSON file for each table and a page that explains them."""

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

import sqlalchemy as sa
from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.orm import Session

from api.ground.translations import LANGUAGES, load_translations
from api.models.base import session
from api.models.user import User
from api.privacy.exports import EXPORTED, ExportedTable, name_user, select_rows
from configs.ground.clock import clock
from configs.ground.encryption import DecryptionFailed, decrypt
from configs.ground.text import FRENCH, RIGHT_TO_LEFT, write_first

_FOLDER = Path(__file__).parent / "templates"
_AT_ONCE = 500  # rows in memory
_ENCRYPTED = "gAAAAA"  # how Fernet's texts begin
_SECRET = frozenset({"code"})  # keys of messages' values: a code by SMS


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
    count = 0
    with archive.open(f"{exported.name}.json", "w") as raw, TextIOWrapper(raw, "utf-8") as file:
        for row in _read_rows(s, exported, user_id):
            file.write(",\n" if count else "[\n")
            json.dump(row, file, ensure_ascii=False, default=_write_value)
            count += 1
        file.write("\n]\n" if count else "[]\n")
    return count


def _read_rows(s: Session, exported: ExportedTable, user_id: UUID) -> Iterator[dict[str, Any]]:
    query = select_rows(exported).execution_options(yield_per=_AT_ONCE)
    for row in s.execute(query, name_user(user_id)).mappings():
        yield {name: _clean(value) if name == "params" else value for name, value in row.items()}


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
