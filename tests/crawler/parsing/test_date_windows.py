from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from configs.world.outcome import Outcome
from crawler.parsing.agendas import BookableAgenda, ask_agendas, ask_alone
from crawler.parsing.date_parsing import has_unmatched_dates
from crawler.parsing.date_windows import covered_by_answer, days_from, instant_of
from crawler.parsing.json_calendar import WindowRequest
from crawler.reading import ANYWHERE, CoveredWindow, Page, PageRequest, Place, Reading, Slot, VisitContext
from tests.crawler.pages import TODAY, page, visit

A = Place("1")
ASKED = CoveredWindow("1", date(2026, 11, 20), date(2026, 11, 26))


@pytest.mark.parametrize(
    ("shown", "covered"),
    [
        (None, ASKED),
        (
            (date(2026, 11, 16), date(2026, 11, 22)),
            CoveredWindow("1", date(2026, 11, 16), date(2026, 11, 22)),
        ),
        (
            (date(2026, 11, 26), date(2026, 11, 26)),
            CoveredWindow("1", date(2026, 11, 26), date(2026, 11, 26)),
        ),
        ((date(2026, 11, 27), date(2026, 12, 3)), None),
        ((date(2026, 11, 13), date(2026, 11, 19)), None),
    ],
)
def test_a_calendar_answers_for_what_it_shows_where_that_meets_what_was_asked(
    shown: tuple[date, date] | None, covered: CoveredWindow | None
) -> None:
    assert covered_by_answer(A, ASKED, shown) == covered


@pytest.mark.parametrize(
    ("wall", "zone", "expected"),
    [
        ("2027-03-28T01:59", "Europe/Paris", datetime(2027, 3, 28, 0, 59, tzinfo=UTC)),
        ("2027-03-28T02:30", "Europe/Paris", None),  # never comes
        ("2027-03-28T03:00", "Europe/Paris", datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
        ("2026-10-25T02:30", "Europe/Paris", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # comes twice
        ("2026-11-24T09:00", "Indian/Reunion", datetime(2026, 11, 24, 5, tzinfo=UTC)),
    ],
)
def test_a_wall_clock_is_an_instant_of_its_zone(wall: str, zone: str, expected: datetime | None) -> None:
    assert instant_of(datetime.fromisoformat(wall), ZoneInfo(zone)) == expected


@pytest.mark.parametrize(
    ("first", "days", "last"), [("23/11/2026", 7, date(2026, 11, 29)), ("31/12/2026", 1, date(2026, 12, 31))]
)
def test_so_many_days_from_a_french_date(first: str, days: int, last: date) -> None:
    window = days_from(Place("7"), first, days)
    assert window
    assert (window.place_key, window.last) == ("7", last)


@pytest.mark.parametrize(
    ("first", "days"),
    [("2026/11/23", 7), (None, 7), ("23/11/2026", 0), ("23/11/2026", "7"), ("23/11/2026", 10_000)],
)
def test_what_says_no_days_is_no_window(first: object, days: object) -> None:
    assert days_from(Place("7"), first, days) is None


AT_NINE = Slot(ANYWHERE, datetime(2026, 11, 23, 8, tzinfo=UTC))
A_DAY = Slot(ANYWHERE, date(2026, 11, 23))
NEWS = "<p class=n>Ouverture le <b>lundi 30 novembre à 10h</b></p>"


@pytest.mark.parametrize(
    "text", ["lundi 23 novembre à 9h", "lundi 23 novembre à 9h, puis encore 23/11/2026 09:00"]
)
def test_a_page_that_names_its_slots_alone_names_nothing_astray(text: str) -> None:
    assert not has_unmatched_dates(page(f"<p>{text}</p>"), [AT_NINE])


def test_a_moment_that_is_none_of_the_slots_is_astray() -> None:
    assert has_unmatched_dates(page("<p>lundi 23 novembre à 9h</p><p>mardi 24 novembre à 9h</p>"), [AT_NINE])
    assert has_unmatched_dates(page("<p>mardi 24 novembre à 9h</p>"), [])


@pytest.mark.parametrize("text", [f"vendredi {TODAY:%d/%m/%Y} à 10h", "jeudi 12/11/2026 à 10h"])
def test_what_is_not_ahead_is_no_slot_that_was_missed(text: str) -> None:
    assert not has_unmatched_dates(page(f"<p>{text}</p>"), [AT_NINE])


def test_a_day_counts_where_the_slots_are_days() -> None:
    body = "<p>lundi 23 novembre</p><p>mardi 24 novembre</p>"
    assert has_unmatched_dates(page(body), [A_DAY])
    assert not has_unmatched_dates(page(body), [AT_NINE])


def test_what_stands_aside_does_not_count_unless_it_stands_elsewhere_too() -> None:
    news, twice = page(NEWS), page(NEWS + NEWS.replace("class=n", ""))
    assert not has_unmatched_dates(news, [], news.root.xpath("//p[@class='n']"))
    assert has_unmatched_dates(twice, [], twice.root.xpath("//p[@class='n']"))


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
