"""Receipts of providers that come late, several times, or never."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from api.models.user import Channel, Contact
from deploy.chaos.faults import Field, fault
from deploy.chaos.faults.places import seconds_until
from deploy.chaos.journal import Spell
from deploy.chaos.periods import PERIODS
from deploy.chaos.processes import until
from deploy.chaos.subscribers import PEOPLE

TOLD_ELSEWHERE = "longest until an SMS without a receipt was told elsewhere, s"
_NO_RECEIPT = float(PERIODS["NO_RECEIPT_SECONDS"])
LONGEST_FALLBACK = _NO_RECEIPT + 45
_WHILE = 6.0  # seconds: some slots open
_PATIENCE = 90.0  # seconds


@fault("receipts", harmless=True)
def receipts_come_late(field: Field, _spell: Spell) -> None:
    """They come before or after the time that they have."""
    with field.outside.receipts_in("late", seconds=field.rng.choice((0.3, 1.3)) * _NO_RECEIPT):
        field.open_anywhere()
        time.sleep(_WHILE)


@fault("receipts", harmless=True)
def receipts_are_repeated(field: Field, _spell: Spell) -> None:
    """Each comes several times at once."""
    with field.outside.receipts_in("repeated", times=field.rng.randint(2, 8)):
        field.open_anywhere()
        time.sleep(_WHILE)


@fault("receipts", harmless=True)
def receipts_are_lost(field: Field, spell: Spell) -> None:
    """None comes."""
    spell.loses_receipts = True
    with field.outside.receipts_in("lost"):
        field.open_anywhere()
        time.sleep(_WHILE)


@fault("receipts", alone=True)
def sms_has_no_receipt(field: Field, spell: Spell) -> None:
    """An SMS is accepted and never confirmed: when its time is up, its user gets the alert on another channel."""
    spell.loses_receipts = True
    person = next(each for each in PEOPLE if each.by_sms)
    by = {channel: (channel, person.addresses[channel]) for channel in (Channel.SMS, Channel.TELEGRAM)}
    with field.outside.receipts_in("lost"):
        opening = field.outside.open(field.quiet_desk(), field.rng)
        until(lambda: by[Channel.SMS] in field.reached_by(opening), "an SMS is accepted", _PATIENCE)
        with _switched_on(field.engine, by[Channel.TELEGRAM][1]):
            took = seconds_until(lambda: by[Channel.TELEGRAM] in field.reached_by(opening), LONGEST_FALLBACK)
    field.journal.measured(TOLD_ELSEWHERE, took)


@contextmanager
def _switched_on(engine: sa.Engine, chat: str) -> Iterator[None]:
    """Let a person have a Telegram chat while the block lasts."""
    with engine.connect() as connection:
        every = connection.execute(
            sa.select(Contact.id, Contact.address)
        )  # encrypted, so no condition finds it
        key = next(key for key, address in every if address == chat)
    switch = sa.update(Contact).where(Contact.id == key)
    try:
        with engine.begin() as connection:
            connection.execute(switch.values(enabled=True))
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(switch.values(enabled=False))
