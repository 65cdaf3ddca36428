"""Renewal of keys: encrypted columns and look-up hashes are brought under the newest ones."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import Base, ContactAddress, EncryptedText, session
from api.models.contact_lookup import claim_address, hash_address
from api.models.user import Channel, Contact
from configs.ground.encryption import DecryptionFailed, decrypt, encrypt, is_newest

_AT_ONCE = 1000  # rows


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
