"""Calls that cannot be made, and people who do not take them. No message may be late or doubled for that."""

import time
from typing import Any

from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell
from deploy.chaos.outages import MODES, OutageKind

CALLS = "twilio_calls"  # the provider
_LENGTHS = (5.0, 30.0)  # seconds
_WHILE = 8.0  # seconds: some attempts are made
_ANSWERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("nobody", {}),
    ("busy", {}),
    ("machine", {}),
    ("hangs_up", {}),
    ("early", {}),
    ("person", {"keys": "291"}),
)


@fault("calls", harmless=True, weight=2)
def calls_are_away(field: Field, _spell: Spell) -> None:
    """Twilio makes no calls, in any of the ways of a provider that is away, while SMS leave."""
    mode, parameters = MODES[field.rng.choice(list(OutageKind))]
    with field.outside.provider_in(CALLS, mode, **parameters):
        field.open_anywhere()
        time.sleep(field.rng.uniform(*_LENGTHS))


@fault("calls", harmless=True, weight=2)
def calls_are_answered_oddly(field: Field, _spell: Spell) -> None:
    """Calls are missed, taken by a machine, or by a person who presses no key or wrong ones."""
    mode, parameters = field.rng.choice(_ANSWERS)
    field.outside.call_answers(mode, **parameters)
    try:
        field.open_anywhere()
        time.sleep(_WHILE)
    finally:
        field.outside.call_answers("person", keys="1")
