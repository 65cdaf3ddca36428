"""Provider outages: each kind is the stand-in's, and says how soon afterwards a message must be there."""

import itertools

import pytest

from api.models.user import Channel
from configs.clock import clock
from deploy.chaos.faults import Field, outages
from deploy.chaos.journal import Spell
from deploy.chaos.outages import MODES, TOLD_WITHIN, OutageKind, ProviderOutage
from deploy.chaos.sandbox_control import CHANNELS, NORMAL, SandboxControl


@pytest.mark.parametrize("kind", OutageKind)
@pytest.mark.parametrize("channel", CHANNELS)
def test_each_kind_is_a_way_of_the_stand_in_that_ends(
    outside: SandboxControl, channel: str, kind: OutageKind
) -> None:
    mode, parameters = MODES[kind]
    with outside.provider_in(channel, mode, **parameters):
        assert outside.provider_mode_now(channel) == mode
    assert outside.provider_mode_now(channel) == NORMAL


def test_chance_cuts_off_every_channel_in_every_way_while_a_slot_is_open(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "_LENGTHS", (0, 0))
    met = set()
    for number in itertools.count(1):
        spell = Spell("cut-off-provider", clock())
        outages.cut_off_provider(field, spell)
        assert spell.outage
        assert spell.silences == (spell.outage.channel if spell.outage.kind is OutageKind.SILENT else None)
        met.add((spell.outage.channel, spell.outage.kind))
        assert len(field.journal.openings) == number
        if len(met) == len(CHANNELS) * len(OutageKind):
            break
    assert {field.outside.provider_mode_now(channel) for channel in CHANNELS} == {NORMAL}


def test_where_the_fate_is_unknown_the_length_of_the_outage_counts() -> None:
    mail, sms = (ProviderOutage(channel, OutageKind.HANGING) for channel in (Channel.EMAIL, Channel.SMS))
    assert ProviderOutage(Channel.EMAIL, OutageKind.BROKEN).seconds_to_tell(600) == TOLD_WITHIN
    assert mail.seconds_to_tell(10) == TOLD_WITHIN
    assert mail.seconds_to_tell(600) == 200 + 15
    assert sms.seconds_to_tell(10) == 31 * 60 / 30 + 15


def test_only_silence_leaves_room_for_copies() -> None:
    assert [ProviderOutage(Channel.EMAIL, kind).most_copies for kind in OutageKind] == [1, 1, 1, 1, 1, 5]
    assert ProviderOutage(Channel.SMS, OutageKind.SILENT).most_copies == 4
