"""Sightings of keys: which values the programs have started with, by fingerprint, and since when."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from api.models.base import Base, session
from configs.ground.clock import clock
from configs.settings import settings
from configs.settings.keys import fingerprint_key, read_keys

_LOCK = 0x6B657973  # of the transactions that record; "keys"


class KeySighting(Base):
    """One value of a key that a program has started with.

    A program holds the values whose `started_at` is its newest.
    """

    __tablename__ = "key_sightings"

    program: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)  # of the setting, in lower case
    fingerprint: Mapped[str] = mapped_column(primary_key=True)  # fingerprint_key
    first_seen_at: Mapped[datetime]
    started_at: Mapped[datetime]  # the program's last start with it
    first_since: Mapped[
        datetime | None
    ]  # since when the program has it as its first value, which signs or encrypts


def record_keys(program: str, *names: str) -> None:
    """Record the keys that a program starts with: all that it has, or those of these names.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away, or older than this code.
    """
    keys, now = read_keys(settings()), clock()
    prints = {name: [fingerprint_key(name, value) for value in keys[name]] for name in names or keys}
    with session() as s:
        s.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))  # processes of one program start at once
        for name, listed in prints.items():
            _record_key(s, program, name, listed, now)


def _record_key(s: Session, program: str, name: str, prints: list[str], now: datetime) -> None:
    ours = sa.select(KeySighting).where(KeySighting.program == program, KeySighting.name == name)
    known = {row.fingerprint: row for row in s.scalars(ours)}
    for place, fingerprint in enumerate(prints):
        row = known.pop(fingerprint, None)
        if row is None:
            row = KeySighting(program=program, name=name, fingerprint=fingerprint, first_seen_at=now)
            s.add(row)
        row.started_at = now
        row.first_since = (row.first_since or now) if place == 0 else None
    for row in known.values():
        row.first_since = None
