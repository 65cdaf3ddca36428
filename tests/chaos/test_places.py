"""Faults of pages: a place that leaves and returns, huge texts, many slots; what they bend is straight afterwards."""

import json
import urllib.request
from typing import Any

import pytest

from configs.clock import clock
from configs.desk import Desk
from deploy.chaos.faults import Field, places
from deploy.chaos.journal import Spell
from deploy.chaos.runner import ChaosRunner
from deploy.chaos.sandbox_control import code_of, form_of, plannings_of
from deploy.chaos.subscribers import entitled


def form_shown(field: Field, desk: Desk) -> dict[str, Any]:
    with urllib.request.urlopen(field.outside._site(code_of(desk))) as answer:
        return next(each for each in json.loads(answer.read())["forms"] if each["form"] == form_of(desk))


def desk_named(field: Field, desk_id: str) -> Desk:
    return next(desk for desk in field.desks if desk.id == desk_id)


def test_a_place_is_away_until_its_slot_is_closed_and_then_back(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = list[str]()

    def is_open(_: object, opening: Any) -> bool:
        shown = form_shown(field, desk_named(field, opening.desk_id))
        modes.append(shown["mode"])
        return shown["mode"] == "normal" or modes.count("planning_gone") < 3

    monkeypatch.setattr(places, "is_open", is_open)
    monkeypatch.setattr(Field, "reached_by", lambda _, opening: entitled(opening.desk_id))
    places.remove_place(field, Spell("remove-place", clock()))
    assert modes == ["planning_gone"] * 3 + ["normal"]
    assert 0 < field.journal.figures[places.OUTLIVED] < places.LONGEST_STAY
    assert field.journal.figures[places.RETURNED] < places.LONGEST_STAY
    assert field.outside.reserved == set()


def test_a_slot_that_outlives_its_place_is_measured_as_too_long(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "LONGEST_STAY", 0.3)
    assert places.seconds_until(lambda: False, places.LONGEST_STAY) == 0.3


def test_huge_texts_are_shown_with_a_slot_that_nobody_expects_then_an_ordinary_one(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[dict[str, Any]]()

    def look(_: float) -> None:
        (desk_id,) = field.outside.reserved
        seen.append(form_shown(field, desk_named(field, desk_id)))

    monkeypatch.setattr("deploy.chaos.faults.places.time.sleep", look)
    places.show_huge_texts(field, Spell("show-huge-texts", clock()))
    (shown,) = seen
    assert shown["mode"] == "huge"
    assert len(shown["plannings"][-1]["slots"]) == 1
    (opening,) = field.journal.openings
    desk = desk_named(field, opening.desk_id)
    after = form_shown(field, desk)
    assert after["mode"] == "normal"
    assert [len(each["slots"]) for each in after["plannings"]][-1] == 0
    assert opening.place == str(plannings_of(desk)[0])


def test_many_slots_open_at_one_desk(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.chaos.faults.places.time.sleep", lambda _: None)
    places.open_many_slots(field, Spell("open-many-slots", clock()))
    assert len({opening.desk_id for opening in field.journal.openings}) == 1
    assert 12 <= len(field.journal.openings) <= 20


def test_nothing_else_opens_at_a_desk_that_a_fault_holds(field: Field) -> None:
    with field.reserved_desk() as desk:
        assert len(plannings_of(desk)) > 1
        runner = ChaosRunner(field, None, 1, 0.0, print)  # type: ignore[arg-type]
        runner._open(30)
        assert desk.id not in {opening.desk_id for opening in field.journal.openings}
        assert field.quiet_desk() != desk
    assert field.outside.reserved == set()
