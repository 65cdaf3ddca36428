"""The script of the world: what happens, in which order, and what never does."""

from itertools import cycle, islice, pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.modes import make_mode
from deploy.sandbox.platforms import stand_ins
from deploy.sandbox.scenario import Event, first_place, script

seeds = st.integers(0, 10_000)
forms = st.sampled_from([form.number for _, site in stand_ins().values() for form in site.forms])


def until(seconds: float, seed: int | None, form: int = 23014) -> list[Event]:
    return list(takewhile(lambda event: event.at < seconds, script(seed, form)))


@given(seeds, forms)
def test_the_first_slots_open_where_they_are_asked_and_stay_three_minutes(seed: int, form: int) -> None:
    events = until(300, seed, form)
    department, place = first_place(form)
    opened = events[: len(place.plannings)]
    assert [event.planning for event in opened] == [planning.number for planning in place.plannings]
    assert {(event.kind, event.at, event.code, event.form) for event in opened} == {
        ("open", 8.0, department.code, form)
    }
    batches = {event.batch for event in opened}
    gone = [event.at for event in events if event.kind == "take" and event.batch in batches]
    assert gone == [188.0] * len(opened)


@given(seeds)
def test_events_come_in_the_order_of_time(seed: int) -> None:
    times = [event.at for event in islice(script(seed), 200)]
    assert times == sorted(times)


@given(seeds)
def test_the_same_seed_tells_the_same_story(seed: int) -> None:
    assert until(600, seed) == until(600, seed)


def test_without_a_seed_no_two_worlds_are_alike() -> None:
    assert until(600, None) != until(600, None)


@given(seeds)
def test_something_begins_every_10_to_25_seconds(seed: int) -> None:
    begins = sorted({e.at for e in until(600, seed) if e.kind == "open" or e.mode != "normal"})
    gaps = [later - earlier for earlier, later in pairwise(begins)]
    assert all(10 <= gap <= 25 for gap in gaps)


@given(seeds)
def test_what_opens_goes_after_20_to_60_seconds(seed: int) -> None:
    events = until(900, seed)
    opened = {event.batch: event for event in events if event.kind == "open"}
    for event in events:
        if event.kind == "take":
            was = opened[event.batch]
            assert 20 <= event.at - was.at <= (180 if was.at == 8.0 else 60)
            assert (event.code, event.form, event.planning) == (was.code, was.form, was.planning)


@given(seeds, forms)
def test_bad_moments_end_and_spare_the_first_site_and_those_of_several_desks(seed: int, form: int) -> None:
    events = [event for event in until(900, seed, form) if event.kind == "mode"]
    spared = {first_place(form)[0].code, "75", "93", "95"}
    for event in (event for event in events if event.mode != "normal"):
        assert event.code not in spared
        make_mode(event.mode, dict(event.parameters))
        ends = [e.at for e in events if e.code == event.code and e.mode == "normal" and e.at > event.at]
        assert event.at > 825 or min(ends) - event.at <= 75


@given(seeds)
def test_whoever_watches_for_four_minutes_sees_maintenance_and_a_ban(seed: int) -> None:
    bad = [event for event in until(240, seed) if event.kind == "mode" and event.mode != "normal"]
    assert [event.mode for event in bad[:2]] == ["maintenance", "ban"]


@given(seeds)
def test_a_site_that_had_a_bad_moment_is_left_well_for_longer_than_a_rest_of_five_minutes(seed: int) -> None:
    bad = [event for event in until(3600, seed) if event.kind == "mode" and event.mode != "normal"]
    for code in {event.code for event in bad}:
        times = [event.at for event in bad if event.code == code]
        assert all(later - earlier > 75 + 300 for earlier, later in pairwise(times))


@given(seeds)
def test_slots_open_at_each_platform_in_turn_where_they_can_be_seen(
    seed: int,
) -> None:
    played = {code: name for code, (name, site) in stand_ins().items() if site.played}
    events = [event for event in until(900, seed) if event.kind == "open" and event.at > 8.0]
    order = [played[event.code] for event in events]
    names = list(dict.fromkeys(played.values()))
    assert order == list(islice(cycle(names), len(order)))


@given(seeds)
def test_bad_moments_come_only_where_another_site_of_the_platform_goes_on(seed: int) -> None:
    names = [name for name, _ in stand_ins().values()]
    for event in until(900, seed):
        assert event.kind != "mode" or names.count(stand_ins()[event.code][0]) > 1


def test_an_unknown_first_form_names_those_that_exist() -> None:
    with pytest.raises(LookupError, match="no form 7 in the sandbox; those that exist: 990075"):
        first_place(7)
