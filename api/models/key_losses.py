"""Checks for keys that were taken out too early: what is stored under them can be neither read nor found any more."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from api.models.base import session
from api.models.contact_lookup import ContactLookup, hash_address
from api.models.key_sighting import KeySighting, record_keys
from api.models.login import Login
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from configs.ground.encryption import decrypt, find_data_key
from configs.ground.formatting import pluralize
from configs.ground.signed_links import LINK_SECONDS
from configs.settings import settings
from configs.settings.keys import fingerprint_key, read_keys

_SAMPLED = 10  # contacts of each channel, from each end of an index
log = structlog.get_logger(__name__)


def record_keys_at_start(program: str, *names: str) -> None:
    """Record the keys that a program starts with: all that it has, or those of these names.

    Without a database the program starts all the same: its next start records them.
    """
    try:
        record_keys(program, *names)
    except DBAPIError as error:
        log.warning("keys are not recorded: the next start does", because=type(error.orig).__name__)


def log_lost_keys(*finders: Callable[[Session], list[str]]) -> None:
    """Log a line for each key that a program lacks; `finders` are those whose tables it may read.

    A key that is missing stops no program: it may be lost for good, or gone because it leaked.
    """
    try:
        with session() as s:
            lines = [line for find in finders for line in find(s)]
    except DBAPIError as error:
        log.warning("keys are not checked", because=type(error.orig).__name__)
        return
    for line in lines:
        log.error(line)


def find_lost_data_keys(s: Session) -> list[str]:
    """Return a line where DATA_KEYS lacks the key of some of a few contacts."""
    if all(find_data_key(row.stored) is not None for row in _sample_contacts(s)):
        return []
    return ["phone numbers or chats cannot be decrypted: give DATA_KEYS back the key that it lost"]


def find_lost_lookup_keys(s: Session) -> list[str]:
    """Return a line where some of a few contacts have no hash under any value of LOOKUP_KEY."""
    found = [
        row
        for row in _sample_contacts(s)
        if row.verified_at is not None and find_data_key(row.stored) is not None
    ]
    hashes = {each for row in found for each in hash_address(row.channel, decrypt(row.stored))}
    listed = set(s.scalars(sa.select(ContactLookup.contact_id).where(ContactLookup.hash.in_(hashes))))
    if listed.issuperset(row.id for row in found):
        return []
    return [
        "phone numbers or chats are not found: give LOOKUP_KEY back the value that it lost, or run `flask rekey`"
    ]


def find_lost_signing_keys(s: Session) -> list[str]:
    """Return lines where a value of JWT_SECRET or LINK_KEY is gone that signed logins or links which are still good."""
    lines = []
    if since := _find_lost_since(s, "jwt_secret"):
        ended = count_logins_before(s, since)
        lines += [_describe_loss("JWT_SECRET", since, pluralize(ended, "login"))] if ended else []
    since = _find_lost_since(s, "link_key")
    if since and since + timedelta(seconds=LINK_SECONDS) > clock():
        lines.append(_describe_loss("LINK_KEY", since, "the links of messages"))
    return lines


def _find_lost_since(s: Session, name: str) -> datetime | None:
    """Return until when the value of a key signed that was taken out last; None where none lacks."""
    prints = [fingerprint_key(name, value) for value in read_keys(settings()).get(name, ())]
    rows = s.scalars(sa.select(KeySighting).where(KeySighting.name == name)).all()
    first = [row.first_since for row in rows if row.first_since and row.fingerprint in prints[:1]]
    others = (row for row in rows if row.fingerprint not in prints[:1])
    before = max(others, key=lambda row: row.started_at, default=None)
    return None if before is None or before.fingerprint in prints else max(first, default=None)


def _describe_loss(variable: str, since: datetime, refused: str) -> str:
    return (
        f"{variable} lacks the value that signed until {since:%Y-%m-%d %H:%M}, and refuses {refused}; give it back"
        " behind the present one, unless it leaked"
    )


def count_logins_before(s: Session, since: datetime) -> int:
    """Return how many logins are alive whose refresh token was signed before an instant."""
    alive = (Login.ended_at.is_(None), Login.expires_at > clock(), Login.rotated_at < since)
    return s.scalar(sa.select(sa.func.count()).select_from(Login).where(*alive)) or 0


def _sample_contacts(s: Session) -> list[sa.Row[Any]]:
    """Return a few contacts. Encrypted texts begin with their time: the oldest and the newest."""
    stored = sa.type_coerce(Contact.address, sa.Text)
    columns = (Contact.id, Contact.channel, Contact.verified_at, stored.label("stored"))
    found: list[sa.Row[Any]] = []
    for channel in (Channel.SMS, Channel.TELEGRAM, Channel.PUSH):
        of_channel = sa.select(*columns).where(Contact.channel == channel).limit(_SAMPLED)
        for order in (stored.asc(), stored.desc()):
            found += s.execute(of_channel.order_by(order))
    return found
