"""The command `flask rekey`, which brings encrypted columns and look-up hashes under the newest keys."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import click
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import api.models.all  # noqa: F401 -- defines all tables
from api.models.base import Base, session
from api.models.contact_lookup import claim_address, hash_address
from api.models.encrypted_text import ContactAddress, EncryptedText
from api.models.user import Channel, Contact
from configs.ground.database import database_url
from configs.ground.database_errors import passes
from configs.ground.encryption import DecryptionFailed, decrypt, is_newest, renew_encryption
from configs.ground.logs import set_up_logs
from configs.settings import SettingMissing, SettingsRefused

_AT_ONCE = 1000  # rows


@click.command("rekey")
@click.option(
    "--check", is_flag=True, help="Change nothing; say how many rows need it, and end with 1 if any do."
)
def rekey_command(*, check: bool) -> None:
    """Re-encrypt with the first of DATA_KEYS, and hash again with all of LOOKUP_KEY.

    Programs may run meanwhile, if all of them know the new keys. Run it once more after a key was taken away.
    """
    try:
        set_up_logs("api")
        database_url()
        if check:
            _check_tables()
            return
        changed, unreadable, taken = _renew_tables()
    except (SettingMissing, SettingsRefused) as error:
        raise click.ClickException(f"nothing was changed: {error}") from None
    except DBAPIError as error:
        if not passes(error):
            raise
        why = str(error.orig).splitlines()[0]
        raise click.ClickException(f"stopped, the database refused: {why}; run it again to go on") from None
    click.echo(f"{changed} rows encrypted anew")
    if unreadable or taken:
        raise click.ClickException(
            f"{unreadable} rows need a key that DATA_KEYS does not have: give it back and run this again; "
            f"{taken} contacts have an address that another account has: they are switched off"
        )


def _check_tables() -> None:
    """Print how many rows are not under the first keys, and fail where there are any."""
    with session() as s:
        rows = sum(not is_newest(text) for text in _list_texts(s))
        known = set(s.scalars(sa.select(sa.func.unnest(Contact.lookup_hashes, type_=sa.LargeBinary))))
        contacts = sum(hashed not in known for hashed in _list_hashes(s))
    click.echo(f"{rows + contacts} rows need `flask rekey`: {rows} encrypted, {contacts} hashed")
    if rows or contacts:
        raise click.exceptions.Exit(1)


def _list_texts(s: Session) -> Iterator[str]:
    """Yield all encrypted texts; addresses of mails are not encrypted."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, EncryptedText):
                text = sa.type_coerce(column, sa.Text)
                is_email = text.like("%@%") if isinstance(column.type, ContactAddress) else sa.false()
                asked = sa.select(text).where(column.is_not(None), ~is_email)
                yield from s.scalars(asked.execution_options(yield_per=_AT_ONCE))


def _list_hashes(s: Session) -> Iterator[bytes]:
    """Yield the hash under the first of LOOKUP_KEY of each verified number or chat that can be read."""
    asked = sa.select(Contact.channel, sa.type_coerce(Contact.address, sa.Text).label("stored")).where(
        Contact.channel != Channel.EMAIL, Contact.verified_at.is_not(None)
    )
    for row in s.execute(asked.execution_options(yield_per=_AT_ONCE)):
        with suppress(DecryptionFailed):  # it is counted among the encrypted
            yield hash_address(row.channel, decrypt(row.stored))[0]


def _renew_tables() -> tuple[int, int, int]:
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
    return text if is_email else renew_encryption(text)


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
