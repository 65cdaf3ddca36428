"""A scale under random histories of need: no process too many, none too early, none that stays for ever."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import process_scaling
from configs.process_scaling import ProcessScale, has_free_core

START = datetime(2026, 11, 20, tzinfo=UTC)
UP, DOWN = timedelta(minutes=2), timedelta(minutes=30)
LOOKS = st.lists(
    st.tuples(st.integers(-60, 900) | st.integers(1, 40), st.booleans() | st.just(value=True)), max_size=80
)


@given(LOOKS, st.integers(0, 4))
def test_a_scale_follows_lasting_need_only(looks: list[tuple[int, bool]], most: int) -> None:
    scale, now, since, previous = ProcessScale(), START, START, None
    for seconds, is_needed in looks:
        now += timedelta(seconds=seconds)
        if is_needed is not previous or seconds < 0:
            since = now  # of the need, or of the time without
        before, scale, previous = scale.extra, scale.observe(is_needed, now, most), is_needed
        assert 0 <= scale.extra <= most
        if scale.extra > before:
            assert is_needed
            assert scale.extra == before + 1
            assert now - since >= UP
            since = now  # the next one waits as long
        if scale.extra < before:
            assert not is_needed
            assert scale.extra == before - 1
            assert now - since >= DOWN
            since = now


@given(st.integers(0, 3), st.integers(5, 30))
def test_lasting_need_adds_all_and_lasting_rest_takes_all_away(most: int, seconds: int) -> None:
    scale, now, step = ProcessScale(), START, timedelta(seconds=seconds)
    while now < START + most * (UP + step):
        scale, now = scale.observe(is_needed=True, now=now, most=most), now + step
    scale = scale.observe(is_needed=True, now=now, most=most)
    assert scale.extra == most
    rested = now + step + most * (DOWN + step)
    while now < rested:
        now += step
        scale = scale.observe(is_needed=False, now=now, most=most)
    assert scale.extra == 0


def test_a_lower_limit_counts_at_once() -> None:
    assert ProcessScale(3, is_needed=True, since=START).observe(is_needed=True, now=START, most=1).extra == 1


@pytest.mark.parametrize(("load", "free"), [(0.0, True), (1.99, True), (2.0, False), (9.0, False)])
def test_a_core_is_free_below_a_load_of_as_many_as_there_are(
    load: float, free: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_scaling, "count_cores", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 9.0, 9.0))
    assert has_free_core() is free
