"""Provider outages of random length and kind."""

import time

from api.models.user import Channel
from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell
from deploy.chaos.outages import MODES, OutageKind, ProviderOutage
from deploy.chaos.sandbox_control import CHANNELS

_LENGTHS = (5.0, 40.0)  # seconds: two minutes and a half to twenty minutes in life


@fault("providers", weight=4)
def cut_off_provider(field: Field, spell: Spell) -> None:
    """One channel's provider is out, in any of its ways, while a new slot is to be told."""
    outage = ProviderOutage(Channel(field.rng.choice(CHANNELS)), field.rng.choice(list(OutageKind)))
    mode, parameters = MODES[outage.kind]
    with field.outside.provider_in(outage.channel.value, mode, **parameters):
        spell.outage = outage
        if outage.kind is OutageKind.SILENT:
            spell.silences = outage.channel.value
        field.outside.open(field.quiet_desk(), field.rng)
        time.sleep(field.rng.uniform(*_LENGTHS))
