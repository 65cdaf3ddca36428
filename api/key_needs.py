"""Uses of an old value of a key: the rows, logins, links and codes that still need it."""

from collections import Counter
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

import api.models.all  # noqa: F401 -- defines all tables
from api.models.base import Base
from api.models.contact_lookup import ContactLookup, hash_address
from api.models.encrypted_text import ContactAddress, EncryptedText
from api.models.key_losses import count_logins_before
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from configs.ground.encryption import DecryptionFailed, decrypt, find_data_key
from configs.ground.formatting import pluralize
from configs.ground.signed_links import LINK_SECONDS

_AT_ONCE = 1000  # rows
# Codes by SMS are limited by the day, and counted under the hash of then.
_LOOKUPS_COUNT = timedelta(days=1)
# Of the links in order mails those are needed that withdraw: in the period of 14 days, and some days to be sure.
_WITHDRAWAL = timedelta(days=20)
# https://docs.stripe.com/webhooks#roll-endpoint-secrets
_STRIPE_SIGNS = timedelta(days=1)


def describe_need(
    s: Session, name: str, place: int, since: datetime, rows: "Counter[int | None]"
) -> str | None:
    """Return what still needs a further value of a key; None where nothing does.

    `place` is the value's, `since` when the last program got the first value as such, `rows` of count_encrypted_rows.
    """
    needs = []
    if name == "data_keys" and rows[place]:
        needs.append(f"{pluralize(rows[place], 'row')}: run `flask rekey`")
    if name == "lookup_key" and (missing := count_contacts_to_hash(s)):
        needs.append(f"{pluralize(missing, 'contact')}: run `flask rekey`")
    if name == "jwt_secret" and (logins := count_logins_before(s, since)):
        needs.append(pluralize(logins, "login"))
    until = since + _wait(name)
    if until > clock():
        needs.append(f"{_TIMED[name]} until {until:%Y-%m-%d %H:%M}")
    return ", ".join(needs) or None


_TIMED = {
    "link_key": "links of messages",
    "lookup_key": "codes by SMS",
    "stripe_webhook_secret": "events that Stripe signs with it, a day at most,",
}


def _wait(name: str) -> timedelta:
    waits = {
        "link_key": max(timedelta(seconds=LINK_SECONDS), _WITHDRAWAL),
        "lookup_key": _LOOKUPS_COUNT,
        "stripe_webhook_secret": _STRIPE_SIGNS,
    }
    return waits.get(name, timedelta())


def count_encrypted_rows(s: Session) -> "Counter[int | None]":
    """Return how many encrypted texts there are by the place in DATA_KEYS of their key; None: none of them."""
    found: Counter[int | None] = Counter()
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, EncryptedText):
                found.update(find_data_key(text) for text in _read_texts(s, column))
    return found


def count_contacts_to_hash(s: Session) -> int:
    """Return how many verified numbers and chats have no hash under the first of LOOKUP_KEY."""
    stored = sa.type_coerce(Contact.address, sa.Text).label("stored")
    columns = sa.select(Contact.id, Contact.channel, stored)
    asked = columns.where(Contact.channel != Channel.EMAIL, Contact.verified_at.is_not(None))
    known = set(s.scalars(sa.select(ContactLookup.hash)))
    return sum(
        _first_hash(row.channel, row.stored) not in known
        for row in s.execute(asked.execution_options(yield_per=_AT_ONCE))
    )


def _first_hash(channel: Channel, stored: str) -> bytes:
    try:
        return hash_address(channel, decrypt(stored))[0]
    except DecryptionFailed:
        return b""  # its row is among those that no key decrypts


def _read_texts(s: Session, column: "sa.Column[str]") -> "sa.ScalarResult[str]":
    """Return the encrypted texts of a column; addresses of mails are not encrypted."""
    text = sa.type_coerce(column, sa.Text)
    is_encrypted = sa.and_(
        column.is_not(None), text.not_like("%@%") if isinstance(column.type, ContactAddress) else sa.true()
    )
    return s.scalars(sa.select(text).where(is_encrypted).execution_options(yield_per=_AT_ONCE))
