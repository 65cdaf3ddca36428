from datetime import UTC, date, datetime

import pytest

from configs.world.outcome import Outcome
from crawler.parsing.json_models import JsonModel, OrNone
from crawler.platforms.ants.search import combine_places, entries, failures, read_search
from crawler.reading import CoveredWindow, Page, Place, Reading, Slot, VisitContext
from tests.crawler.pages import TODAY, page

VISIT = VisitContext("https://rdv.example/", TODAY)
UNTIL = VISIT.last_day
NINE = datetime(2026, 11, 23, 8, tzinfo=UTC)
A, B = Slot(Place("1", "Nord"), NINE), Slot(Place("2", "Sud"), date(2026, 11, 24))
OVERLOADED = Reading(Outcome.OVERLOADED, "editors failed: 1 of 3")


class Hall(JsonModel):
    id: int


def halls(*bodies: str) -> list[Hall | None]:
    return entries(map(page, bodies), list[OrNone[Hall]])


def test_lists_are_one_in_which_each_entry_that_cannot_be_read_has_its_place() -> None:
    assert halls('[{"id": 1}, {"id": "x"}]', "[]", '[{"id": 2}]') == [Hall(id=1), None, Hall(id=2)]
    assert halls('{"id": 1}', "7", '[{"id": 2}]') == [None, None, Hall(id=2)]
    assert halls() == []


@pytest.mark.parametrize("body", ["<html>Just a moment</html>", "[{", "", "null"])
def test_beside_what_is_no_json_nothing_is_believed(body: str) -> None:
    with pytest.raises(ValueError, match="holds what is no JSON"):
        halls('[{"id": 1}]', body)


def test_a_whole_answer_covers_all_places_until_the_last_day() -> None:
    assert combine_places(VISIT, [A, B, A], "town hall") == Reading(
        Outcome.SLOTS, "town halls with slots: 2", (A, B), (CoveredWindow(None, None, UNTIL),)
    )
    assert combine_places(VISIT, [], "town hall") == Reading(
        Outcome.NO_SLOTS, "no town hall has a slot", covered=(CoveredWindow(None, None, UNTIL),)
    )


def test_a_doubt_makes_what_is_covered_doubtful_and_is_said() -> None:
    silent = combine_places(VISIT, [], "town hall", doubt="failures are not counted here")
    assert (silent.outcome, silent.covered) == (
        Outcome.NO_SLOTS,
        (CoveredWindow(None, None, UNTIL, doubtful=True),),
    )
    assert silent.reason == "no town hall has a slot, but failures are not counted here"
    (covered,) = combine_places(VISIT, [A], "town hall", doubt="failures are not counted here").covered
    assert covered.doubtful


def test_an_entry_that_cannot_be_read_covers_nothing_and_takes_nothing_from_slots() -> None:
    said = "entries that cannot be read: 2"
    assert combine_places(VISIT, [None, None], "town hall") == Reading(Outcome.UNREADABLE, said)
    seen = combine_places(VISIT, [None, A, None], "town hall")
    assert seen == Reading(Outcome.SLOTS, f"town halls with slots: 1; {said}", (A,))


def test_what_went_wrong_elsewhere_is_the_outcome_where_no_slot_was_found() -> None:
    assert combine_places(VISIT, [], "town hall", trouble=OVERLOADED) == OVERLOADED
    assert combine_places(VISIT, [None], "town hall", trouble=OVERLOADED) == OVERLOADED
    seen = combine_places(VISIT, [A], "town hall", trouble=OVERLOADED)
    assert (seen.outcome, seen.slots, seen.covered) == (Outcome.SLOTS, (A,), ())
    assert seen.reason == "town halls with slots: 1; editors failed: 1 of 3"


def test_those_who_failed_are_an_overload_and_that_nobody_was_asked_is_unreadable() -> None:
    assert failures(0, 3, "editor") is None
    assert failures(1, 3, "editor") == OVERLOADED
    nobody = failures(0, 0, "editor")
    assert nobody
    assert (nobody.outcome, nobody.reason) == (
        Outcome.UNREADABLE,
        "no editor was asked: is the area right?",
    )


def slots_of(hall: Hall, here: Page) -> list[Slot | None]:
    return [Slot(Place(str(hall.id)), here.visit.today), None] if hall.id else []


def test_the_slots_of_all_entries_are_what_a_search_proves() -> None:
    lists = [page('[{"id": 1}, {"id": "x"}]'), page('[{"id": 2}]')]
    reading = read_search(page(""), lists, list[OrNone[Hall]], slots_of, "hall")
    assert (reading.outcome, [slot.place.key for slot in reading.slots]) == (Outcome.SLOTS, ["1", "2"])
    assert reading.reason == "halls with slots: 2; entries that cannot be read: 3"
    nothing = read_search(
        page(""), [page('[{"id": 0}]')], list[OrNone[Hall]], slots_of, "hall", doubt="why not"
    )
    assert (nothing.outcome, nothing.reason) == (Outcome.NO_SLOTS, "no hall has a slot, but why not")


def test_a_search_of_which_a_list_is_no_json_proves_nothing() -> None:
    lists = [page('[{"id": 1}]'), page("<html>")]
    reading = read_search(page(""), lists, list[OrNone[Hall]], slots_of, "hall", trouble=OVERLOADED)
    assert (reading.outcome, reading.slots) == (Outcome.UNREADABLE, ())
