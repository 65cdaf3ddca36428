"""Providers that answer late, not at all, or no."""

import time
from typing import Any

import sqlalchemy as sa

from api.models.user import Channel, Contact, ContactState
from deploy.chaos.faults import Field, fault
from deploy.chaos.faults.places import seconds_until
from deploy.chaos.journal import Spell
from deploy.chaos.sandbox_control import CHANNELS, FIRST_PROVIDERS, NORMAL
from deploy.chaos.subscribers import PEOPLE

_WHILE = 4.0  # seconds: within the waits of the attempts that a message has
TAKEN_OVER = "longest until a mail left by the second provider, s"
RETURNED = "longest until a mail left by the first provider again, s"
LONGEST_SWITCH, LONGEST_RETURN = 30.0, 45.0  # a check of the desk and a start of a program included
_AWAY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("refuse", {}),
    ("error_500", {}),
    ("timeout", {}),
    ("yes_without_answer", {}),
    ("reset", {}),
    ("slow", {"seconds": 4}),  # longer than PROVIDER_SWITCH_SECONDS
)
_ROUNDS, _ROUND = 9, 5.0  # of one new slot each; seconds


def _answers(field: Field, channel: str, mode: str, **parameters: Any) -> None:
    with field.outside.provider_in(channel, mode, **parameters):
        time.sleep(_WHILE)


@fault("providers")
def provider_says_later(field: Field, _spell: Spell) -> None:
    """429 with Retry-After."""
    _answers(field, field.rng.choice(CHANNELS), "rate_limited", seconds=2)


@fault("providers")
def provider_breaks(field: Field, _spell: Spell) -> None:
    """500."""
    _answers(field, field.rng.choice(CHANNELS), "error_500")


@fault("providers")
def provider_is_slow(field: Field, _spell: Spell) -> None:
    """Every yes takes two of the three seconds that we wait."""
    _answers(field, field.rng.choice(CHANNELS), "slow", seconds=2)


@fault("providers")
def provider_hangs(field: Field, spell: Spell) -> None:
    """One call is neither taken nor answered. Not by SMS: what is unsure there waits for its receipt."""
    _silent(field, spell, "timeout")


@fault("providers", weight=2)
def provider_says_yes_to_nobody(field: Field, spell: Spell) -> None:
    """One call is taken, and the answer is never heard."""
    _silent(field, spell, "yes_without_answer")


def _silent(field: Field, spell: Spell, mode: str) -> None:
    channel = field.rng.choice([each for each in CHANNELS if each != Channel.SMS.value])
    spell.silences, provider = channel, FIRST_PROVIDERS[channel]
    with field.outside.provider_in(provider, mode, count=1):
        end = time.monotonic() + 2 * _WHILE
        while field.outside.provider_mode_now(provider) != NORMAL and time.monotonic() < end:
            time.sleep(0.1)
        if time.monotonic() >= end:
            spell.missed = "nobody called the provider"
    time.sleep(3.5)  # the call that hangs ends by our own time-out


@fault("providers", weight=2)
def first_provider_of_mail_is_away(field: Field, spell: Spell) -> None:
    """SendGrid is away, and the mail server takes its mails; a hang and a yes without an answer leave copies."""
    spell.silences = Channel.EMAIL.value
    mode, parameters = field.rng.choice(_AWAY)
    with field.outside.provider_in(FIRST_PROVIDERS[Channel.EMAIL], mode, **parameters):
        time.sleep(2 * _WHILE)


@fault("providers", alone=True)
def mail_changes_its_provider_and_returns(field: Field, spell: Spell) -> None:
    """SendGrid is away: mail leaves by the mail server soon, and by SendGrid soon after it is back."""
    spell.silences = Channel.EMAIL.value
    mode, parameters = field.rng.choice(_AWAY)
    first = FIRST_PROVIDERS[Channel.EMAIL]
    with field.outside.provider_in(first, mode, **parameters):
        field.journal.measured(TAKEN_OVER, _measure_mail(field, "smtp"))
    field.journal.measured(RETURNED, _measure_mail(field, first))


def _measure_mail(field: Field, provider: str) -> float:
    """Return how long it takes until a provider accepts the mail of a new slot; another slot opens now and then."""

    def count() -> int:
        return sum(each.provider == provider for each in field.inbox.messages())

    began, before = time.monotonic(), count()
    for _ in range(_ROUNDS):
        field.outside.open(field.quiet_desk(), field.rng)
        if seconds_until(lambda: count() > before, _ROUND) < _ROUND:
            break
    return time.monotonic() - began


@fault("providers")
def provider_refuses_one_address(field: Field, _spell: Spell) -> None:
    """One address of many is refused; the others must not suffer for it."""
    refused = next(person for person in PEOPLE if person.refused)
    address = refused.addresses[Channel.EMAIL]
    with field.engine.begin() as connection:  # once refused it would not be written to again
        connection.execute(sa.update(Contact).where(Contact.address == address).values(state=ContactState.OK))
    _answers(field, Channel.EMAIL.value, "reject_address", address=address)
