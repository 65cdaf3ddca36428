"""Renewal of keys: since when each is in use, and what brings encrypted columns and hashes under the newest ones."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from api.models.base import Base, ContactAddress, EncryptedText, engine, session
from api.models.contact_lookup import claim_address, hash_address
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from configs.ground.encryption import DecryptionFailed, decrypt, encrypt, is_newest
from configs.ground.signing import name_key
from configs.settings import settings
from configs.settings.program_settings import list_secrets
from configs.settings.value_types import split_words

KEY_PERIOD = timedelta(days=365)
_AT_ONCE = 1000  # rows
# Replaced only where they leaked: docs/keys.md
_STAYING = re.compile("proxy|sentry|vapid")
log = structlog.get_logger(__name__)


class KeyValue(Base):
    """A value of a key with which a program began, by its short name (`name_key`), which reveals nothing of it.

    What a program has now are its rows with the newest `seen_at`.
    """

    __tablename__ = "key_values"

    program: Mapped[str] = mapped_column(primary_key=True)
    setting: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime]
    writes_since: Mapped[datetime | None]  # it is the first of several: what signs and encrypts
    seen_at: Mapped[datetime]


def note_keys() -> None:
    """Note the keys that this program begins with. Where the database is away the next start notes them."""
    ours, now = settings(), clock()
    rows = []
    for setting in list_secrets(type(ours).model_fields):
        value = getattr(ours, setting)
        if not _STAYING.match(setting) and isinstance(value, SecretStr):
            rows += [
                {
                    "program": ours.program or "all",
                    "setting": setting,
                    "name": name_key(each),
                    "first_seen_at": now,
                    "writes_since": None if place else now,
                    "seen_at": now,
                }
                for place, each in enumerate(split_words(value.get_secret_value()))
            ]
    added = insert(KeyValue)
    new = added.excluded
    still = sa.case(
        (new.writes_since.is_not(None), sa.func.coalesce(KeyValue.writes_since, new.writes_since))
    )
    kept = {"seen_at": new.seen_at, "writes_since": still}
    try:
        with session() as s:
            for row in rows:
                s.execute(
                    added.values(row).on_conflict_do_update(
                        index_elements=["program", "setting", "name"], set_=kept
                    )
                )
    except SQLAlchemyError as error:
        log.warning("the keys' age is not noted", error=str(error))
    engine().dispose()  # processes that are forked connect for themselves


def list_present_keys(s: Session) -> list[KeyValue]:
    """Return the values that programs have now; `first_seen_at` is that of any program."""
    newest = sa.func.max(KeyValue.seen_at).over(partition_by=KeyValue.program)
    first = sa.func.min(KeyValue.first_seen_at).over(partition_by=(KeyValue.setting, KeyValue.name))
    columns = (KeyValue.program, KeyValue.setting, KeyValue.name, KeyValue.writes_since, KeyValue.seen_at)
    rows = sa.select(*columns, first.label("first_seen_at"), newest.label("newest")).subquery()
    found = sa.select(rows).where(rows.c.seen_at == rows.c.newest).order_by(rows.c.setting, rows.c.program)
    return [
        KeyValue(**{name: value for name, value in row.items() if name != "newest"})
        for row in s.execute(found).mappings()
    ]


def list_old_keys(s: Session) -> list[str]:
    """Return the settings that have a value which is in use for longer than KEY_PERIOD."""
    since = clock() - KEY_PERIOD
    return sorted({each.setting for each in list_present_keys(s) if each.first_seen_at <= since})


def count_stale_rows(s: Session) -> tuple[int, int]:
    """Return how many rows are not encrypted under the first of DATA_KEYS, and not hashed under that of LOOKUP_KEY."""
    rows = sum(not is_newest(text) for text in list_texts(s))
    known = set(s.scalars(sa.select(sa.func.unnest(Contact.lookup_hashes, type_=sa.LargeBinary))))
    return rows, sum(hashed not in known for hashed in list_hashes(s))


def list_texts(s: Session) -> Iterator[str]:
    """Yield all encrypted texts; addresses of mails are not encrypted."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, EncryptedText):
                text = sa.type_coerce(column, sa.Text)
                is_email = text.like("%@%") if isinstance(column.type, ContactAddress) else sa.false()
                asked = sa.select(text).where(column.is_not(None), ~is_email)
                yield from s.scalars(asked.execution_options(yield_per=_AT_ONCE))


def list_hashes(s: Session) -> Iterator[bytes]:
    """Yield the hash under the first of LOOKUP_KEY of each verified number or chat that can be read."""
    asked = sa.select(Contact.channel, sa.type_coerce(Contact.address, sa.Text).label("stored")).where(
        Contact.channel != Channel.EMAIL, Contact.verified_at.is_not(None)
    )
    for row in s.execute(asked.execution_options(yield_per=_AT_ONCE)):
        with suppress(DecryptionFailed):  # it is counted among the encrypted
            yield hash_address(row.channel, decrypt(row.stored))[0]


def renew_tables() -> tuple[int, int, int]:
    """Return the numbers of renewed rows, of unreadable rows, and of contacts whose address another contact has."""
    changed = unreadable = taken = 0
    for table in Base.metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, EncryptedText)]
        for key in _list_keys(table, sa.or_(*(each.is_not(None) for each in columns))) if columns else ():
            try:
                changed += _renew_row(table, columns, key)
            except DecryptionFailed:
                unreadable += 1
    for key in _list_keys(Base.metadata.tables[Contact.__tablename__], Contact.channel != Channel.EMAIL):
        taken += not _renew_lookups(key)
    return changed, unreadable, taken


def _list_keys(table: sa.Table, condition: sa.ColumnElement[bool]) -> list[UUID]:
    """Return the primary keys of rows that meet the condition now.

    Rows that are added later are under the newest keys already.
    """
    (key,) = table.primary_key.columns
    with session() as s:
        return list(s.scalars(sa.select(key).where(condition).order_by(key)))


def _renew_row(table: sa.Table, columns: list[sa.Column[Any]], key: UUID) -> bool:
    """Encrypt a row's columns with the newest key, in a transaction of its own; return whether that changed them.

    Raises:
        configs.ground.encryption.DecryptionFailed: no key of DATA_KEYS encrypted one of them.
    """
    (primary,) = table.primary_key.columns
    stored = [sa.type_coerce(column, sa.Text).label(column.name) for column in columns]
    with session() as s:
        row = (
            s.execute(sa.select(*stored).where(primary == key).with_for_update(key_share=True))
            .mappings()
            .one_or_none()
        )
        if row is None:
            return False
        renewed = {
            column.name: _renew_text(column, row[column.name]) for column in columns if row[column.name]
        }
        changes = {name: sa.literal(text, sa.Text) for name, text in renewed.items() if text != row[name]}
        if changes:
            s.execute(sa.update(table).where(primary == key).values(changes))
        return bool(changes)


def _renew_text(column: sa.Column[Any], text: str) -> str:
    is_email = isinstance(column.type, ContactAddress) and "@" in text
    return text if is_email or is_newest(text) else encrypt(decrypt(text))


def _renew_lookups(key: UUID) -> bool:
    """Bring the hashes of a contact's address to the present LOOKUP_KEY; return whether the address stays its own.

    An address is another account's only where programs ran that did not know all of the keys.
    """
    with session() as s:
        contact = s.get(Contact, key, with_for_update={"key_share": True})
        if contact is None or contact.channel is Channel.EMAIL or contact.verified_at is None:
            return True
        if contact.address and not claim_address(s, contact):
            contact.verified_at, contact.enabled, contact.lookup_hashes = None, False, []
            return False
        return True
