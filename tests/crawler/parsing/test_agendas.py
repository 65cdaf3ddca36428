"""The selection of agendas and places, and the reason for none."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from configs.world.outcome import Outcome
from crawler.parsing.agendas import BookableAgenda, ask_agendas, ask_alone
from crawler.parsing.json_calendar import WindowRequest
from crawler.reading import CoveredWindow, Page, PageRequest, Place, Reading, VisitContext
from tests.crawler.pages import TODAY, page, visit

OURS, OTHER = 1, 2


def agenda(
    key: int, *, at: str = "12", motive: int = OURS, shut: bool = False, paused: bool = False
) -> BookableAgenda:
    return BookableAgenda(id=key, offered={at: [motive]}, shut=shut, paused=paused)


def opens(_visit: VisitContext, place: str, agendas: Sequence[int]) -> WindowRequest:
    return lambda _, window: PageRequest(f"https://api.invalid/{place}/{agendas}/{window.first}")


def asked(*agendas: BookableAgenda | None, places: Sequence[int] = (), turn: int = 0) -> Reading:
    desk = replace(visit(), turn=turn)
    return ask_agendas(desk, agendas, [OURS], places, opens=opens, days=7, labels={"12": "Guichet"})


def urls(reading: Reading) -> list[str]:
    return [ask.url.removeprefix("https://api.invalid/") for ask in reading.asks]


def test_those_that_offer_it_are_asked_in_the_sites_order_once_each() -> None:
    reading = asked(agenda(9), agenda(4), agenda(7, motive=OTHER), agenda(9))
    assert (reading.outcome, reading.reason, urls(reading)) == (
        None,
        "1 place to ask",
        [f"12/[9, 4]/{TODAY}"],
    )
    assert (reading.asks[0].place.label, reading.asks[0].window) == (
        "Guichet",
        CoveredWindow("12", TODAY, reading.asks[0].window.last if reading.asks[0].window else None),
    )


@pytest.mark.parametrize(
    ("agendas", "expected", "reason"),
    [
        ([agenda(1, shut=True), agenda(2, motive=OTHER)], Outcome.CLOSED, "booking is disabled"),
        ([BookableAgenda(id=1, offered={}, shut=True)], Outcome.CLOSED, "booking is disabled"),
        ([agenda(1, shut=True), agenda(2, paused=True)], Outcome.MAINTENANCE, "temporarily disabled"),
        ([agenda(1, motive=OTHER)], Outcome.UNREADABLE, "none of 1 agenda offers"),
        ([agenda(1, at="14")], Outcome.UNREADABLE, "none of 1 agenda offers"),
        ([], Outcome.UNREADABLE, "none of 0 agendas offers"),
        ([None, agenda(1, shut=True)], Outcome.UNREADABLE, "1 of 2 agendas cannot be read"),
        ([None], Outcome.UNREADABLE, "1 of 1 agenda cannot be read"),
    ],
)
def test_where_none_is_asked_the_reason_is_said(
    agendas: list[BookableAgenda | None], expected: Outcome, reason: str
) -> None:
    reading = asked(*agendas, places=[12])
    assert (reading.outcome, reading.asks, reading.covered) == (expected, (), ())
    assert reason in reading.reason


def test_beside_an_agenda_that_cannot_be_read_the_others_are_asked_and_prove_no_absence() -> None:
    reading = asked(agenda(1), None)
    assert (reading.outcome, urls(reading)) == (Outcome.UNREADABLE, [f"12/[1]/{TODAY}"])
    assert reading.reason == "1 of 2 agendas cannot be read"


def together(ids: str, window: CoveredWindow | None = None, turn: int = 0) -> Page:
    ask = PageRequest(
        f"https://api.invalid/?ids={ids}&day=1", "week", place=Place("12"), window=window, rank=3
    )
    return replace(page("{}", of=replace(visit(), turn=turn)), ask=ask)


def test_agendas_asked_together_are_asked_alone_another_first_each_visit() -> None:
    reading = ask_alone(together("9-4", CoveredWindow("12", TODAY, TODAY)), "ids", "one is silent")
    assert reading
    assert (reading.outcome, reading.covered) == (None, ())
    assert reading.reason == "one is silent: each of 2 agendas is asked alone"
    assert urls(reading) == ["?ids=9&day=1", "?ids=4&day=1"]
    later = ask_alone(together("9-4", turn=1), "ids", "")
    assert later
    assert urls(later) == ["?ids=4&day=1", "?ids=9&day=1"]
