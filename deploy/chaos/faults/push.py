"""Push services that are away, or answer oddly. No other message may be late or doubled for that."""

import time

from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell
from deploy.chaos.outages import MODES, OutageKind

PUSH = "web_push"  # the provider
_LENGTHS = (5.0, 30.0)  # seconds
_WHILE = 8.0  # seconds: some messages are sent
_ODD = ("odd", "redirect", "unauthorized", "rate_limited", "ended")


@fault("push", harmless=True)
def push_is_away(field: Field, _spell: Spell) -> None:
    """The push service is away, in any of the ways of a provider, while other messages leave."""
    mode, parameters = MODES[field.rng.choice(list(OutageKind))]
    with field.outside.provider_in(PUSH, mode, **parameters):
        field.open_anywhere()
        time.sleep(field.rng.uniform(*_LENGTHS))


@fault("push", harmless=True)
def push_is_answered_oddly(field: Field, _spell: Spell) -> None:
    """The push service answers as none does, or says that every subscription ended."""
    with field.outside.provider_in(PUSH, field.rng.choice(_ODD)):
        field.open_anywhere()
        time.sleep(_WHILE)
