"""Receipts of providers that come late, several times, or never."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import sqlalchemy as sa

from api.models.notification import Notification
from api.models.user import Channel, Contact
from deploy.chaos.faults import Field, fault
from deploy.chaos.faults.places import seconds_until
from deploy.chaos.journal import Spell
from deploy.chaos.message_accounts import FALLBACK
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
    by_sms = Channel.SMS, person.addresses[Channel.SMS]
    with field.outside.receipts_in("lost"):
        opening = field.outside.open(field.quiet_desk(), field.rng)
        until(lambda: by_sms in field.reached_by(opening), "an SMS is accepted", _PATIENCE)
        with _switched_on(field.engine, person.addresses[Channel.TELEGRAM]) as contact_id:
            before = count_fallbacks(field.engine, contact_id)
            took = seconds_until(lambda: count_fallbacks(field.engine, contact_id) > before, LONGEST_FALLBACK)
    field.journal.measured(TOLD_ELSEWHERE, took)


def count_fallbacks(engine: sa.Engine, contact_id: UUID) -> int:
    """Return how many slot alerts a contact was sent in place of an SMS without receipt."""
    told = sa.select(sa.func.count()).where(
        Notification.contact_id == contact_id,
        Notification.dedupe_key.startswith(FALLBACK),
        Notification.accepted_at.is_not(None),
    )
    with engine.connect() as connection:
        return connection.scalar(told) or 0


@contextmanager
def _switched_on(engine: sa.Engine, chat: str) -> Iterator[UUID]:
    """Let a person have a Telegram chat while the block lasts; give the contact's id."""
    with engine.connect() as connection:
        # encrypted, so no condition finds it
        every = connection.execute(sa.select(Contact.id, Contact.address))
        key = next(key for key, address in every if address == chat)
    switch = sa.update(Contact).where(Contact.id == key)
    try:
        with engine.begin() as connection:
            connection.execute(switch.values(enabled=True))
        yield key
    finally:
        with engine.begin() as connection:
            connection.execute(switch.values(enabled=False))
