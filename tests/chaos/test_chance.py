"""Chance has a seed, and faults that would spoil each other do not strike together."""

import random
from itertools import islice

import pytest

from deploy.chaos.__main__ import main
from deploy.chaos.faults import faults
from deploy.chaos.runner import draw_faults


def waves(seed: int, count: int = 400) -> list[list[str]]:
    known = list(faults().values())
    return [[fault.name for fault in wave] for wave in islice(draw_faults(random.Random(seed), known), count)]


def test_the_same_seed_chooses_the_same_faults() -> None:
    assert waves(1) == waves(1)
    assert waves(1) != waves(2)


def test_every_fault_has_its_turn() -> None:
    assert {name for wave in waves(1) for name in wave} == set(faults())


def test_two_faults_never_bend_the_same_thing() -> None:
    for wave in waves(3):
        held = [thing for name in wave for thing in faults()[name].holds]
        assert len(held) == len(set(held))


def test_a_fault_that_waits_for_its_moment_strikes_alone() -> None:
    for wave in waves(4):
        assert len(wave) == 1 or not any(faults()[name].alone for name in wave)


def test_health_is_asked_by_nobody_else_s_victim() -> None:
    """While a part is down on purpose the API, whose health names it, is not killed."""
    assert all("gunicorn" in fault.holds for fault in faults().values() if fault.names)


def test_a_fault_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--waves", "restart-redis;pull-the-plug"])
    assert "no fault pull-the-plug: choose of " in capsys.readouterr().err
