"""RDV Service Public: pages as its public code writes them, and what is read from them."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from configs.world.desk import Outcome
from crawler.reading import CoveredWindow, PageRequest, Place, Reading
from crawler.visit_state import VisitResult
from tests.crawler.pages import PARIS, TODAY, play
from tests.crawler.rdv_service_public_pages import (
    DESK,
    EMPTY,
    NOT_YET,
    none,
    onward,
    rails,
    read,
    visit,
    week,
    whole,
)
from tests.crawler.rdv_service_public_pages import (
    places as listed,
)
from tests.in_turn import in_turn

NINE = datetime(2026, 11, 23, 9, 30, tzinfo=PARIS)
FAR = datetime(2026, 12, 8, 9, 30, tzinfo=PARIS)
WEEK = CoveredWindow("5", TODAY, TODAY + timedelta(days=6))


def moments(reading: Reading) -> list[str]:
    return [slot.moment_text for slot in reading.slots]


@in_turn(
    "written, instant",
    [
        ("2026-11-23+09%3A30%3A00+%2B0100", "2026-11-23T08:30:00+00:00"),
        ("2026-11-23%2009:30:00%20%2B0100", "2026-11-23T08:30:00+00:00"),
        ("2026-11-23T09:30:00%2B01:00", "2026-11-23T08:30:00+00:00"),
        ("2026-11-23T09:30:00+01:00", "2026-11-23T08:30:00+00:00"),
        ("2026-11-23T09:30:00.000+0100", "2026-11-23T08:30:00+00:00"),
        ("2026-11-23T08:30:00Z", "2026-11-23T08:30:00+00:00"),
        ("2026-11-23+08%3A30%3A00+UTC", "2026-11-23T08:30:00+00:00"),
        ("2026-11-23+00%3A30%3A00+-0800", "2026-11-23T08:30:00+00:00"),
        ("2026-11-23+09%3A30%3A00", "2026-11-23T08:30:00+00:00"),
        ("2026-11-23T09:30", "2026-11-23T08:30:00+00:00"),
    ],
)
def test_an_hour_is_read_however_its_address_writes_it(written: str, instant: str) -> None:
    body = week([NINE]).replace(rails(NINE), written)
    assert moments(read(body)) == [instant]


@in_turn(
    "written", ["", "demain", "2026-11-23", "2026-11-31T09:30:00", "2026-11-23T09:30:00+1", "1795422600"]
)
def test_an_hour_that_cannot_be_read_is_no_slot_and_closes_nothing(written: str) -> None:
    other = NINE + timedelta(hours=1)
    reading = read(week([NINE, other]).replace(rails(NINE), written))
    assert (moments(reading), reading.covered) == (["2026-11-23T09:30:00+00:00"], ())
    assert read(week([NINE]).replace(rails(NINE), written)).outcome is Outcome.UNREADABLE


@in_turn(
    "body",
    [
        none().replace("</main>", f"{onward(FAR)}</main>"),
        none().replace("</main>", f'<a href="/x?starts_at={rails(NINE)}">09:30</a></main>'),
        week().replace("</main>", none().partition("<main>")[2]),
        week([NINE]) + week(),
        week(more="<p>Prochaine disponibilité le 8 décembre</p>"),
        week(more=onward(FAR) + onward(FAR + timedelta(days=1))),
        week(said={TODAY: "?"}),
        week().replace("sam", "dim", 1),
        week().replace("</html>", ""),
        week().replace("creneaux-lieu-", "creneaux-"),
        listed([("5", "Mairie", FAR), ("5", "Mairie", NINE)]),
        listed([("", "Mairie", FAR)]),
        whole(f"<template><p>{none()}</p></template>"),
        whole(f"<p>{EMPTY}</p>"),
    ],
)
def test_without_its_proof_an_absence_is_unreadable(body: str) -> None:
    reading = read(body)
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ()), reading.reason


def test_a_day_that_shows_an_hour_and_says_that_it_has_none_may_leave_one_out() -> None:
    both = week([NINE]).replace("</a></div>", f"</a><p>{EMPTY}</p></div>")
    assert (moments(read(both)), read(both).covered) == (["2026-11-23T08:30:00+00:00"], ())
    assert read(week([NINE])).covered


def test_an_answer_about_another_place_or_week_covers_nothing() -> None:
    asked = {"place": Place("5"), "window": WEEK}
    assert read(week([NINE]), **asked).covered == (WEEK,)
    assert read(week([NINE], lieu="6"), **asked).covered == ()
    assert (
        read(
            week([NINE]), place=Place("5"), window=CoveredWindow("5", date(2026, 12, 8), date(2026, 12, 14))
        ).covered
        == ()
    )
    assert read(listed([("6", "Mairie", FAR)]), **asked).outcome is Outcome.UNREADABLE
    assert read(none(), **asked).covered == (CoveredWindow("5"),)


@in_turn("status, asked, outcome", [
    (404, DESK, Outcome.CLOSED), (410, DESK, Outcome.CLOSED), (404, f"{DESK}&date=2026-12-08", Outcome.UNREADABLE),
    (403, DESK, Outcome.BLOCKED), (500, DESK, Outcome.UNREACHABLE),
])  # fmt: skip
def test_an_error_is_no_answer(status: int, asked: str, outcome: Outcome) -> None:
    assert read(none(), status=status, url=asked).outcome is outcome


# As a check


def checked(site: dict[str, str], turn: int = 0) -> tuple[VisitResult, list[str]]:
    """Visit a site: pages by the end of their address, the empty one where nothing else fits."""

    def tell(ask: PageRequest) -> str:
        body = next((body for end, body in site.items() if ask.url.endswith(end)), None)
        first = ask.window.first if ask.window and ask.window.first else TODAY
        return body or week(first=first, lieu=ask.place.key)

    result, asked = play("rdv_service_public", visit(turn=turn), tell)
    return result, [ask.url for ask in asked]


def test_each_place_is_asked_from_its_next_availability_on() -> None:
    later = FAR + timedelta(days=3)
    site = {
        DESK: listed([("5", "Mairie", FAR), ("6", "Annexe", NINE)]),
        "lieu_id=5": week([FAR, later], first=FAR.date()),
        "lieu_id=6": week([NINE], first=NINE.date(), lieu="6"),
    }
    result, order = checked(site)
    assert result.outcome is Outcome.SLOTS
    assert {(slot.place.label, slot.starts_at) for slot in result.slots} == {
        ("Mairie", FAR.astimezone(UTC)),
        ("Mairie", later.astimezone(UTC)),
        ("Annexe", NINE.astimezone(UTC)),
    }
    assert checked(site, turn=1)[1][1] != order[1], "another place comes first the next time"


# Generated


walls = st.datetimes(datetime(2026, 11, 20), datetime(2026, 11, 26, 23, 59)).map(  # noqa: DTZ001
    lambda wall: wall.replace(second=0, microsecond=0, tzinfo=PARIS)
)


@given(st.lists(walls, max_size=12, unique=True), st.integers(0, 7), st.booleans())
def test_the_hours_that_are_written_are_the_hours_that_are_read(
    hours: list[datetime], closed: int, naive: bool
) -> None:
    said = {TODAY + timedelta(days=number): NOT_YET for number in range(7 - closed, 7)}
    body = week(hours, said=said)
    if naive:
        body = body.replace("+%2B0100", "")
    reading = read(body)
    assert {slot.starts_at for slot in reading.slots} == {hour.astimezone(UTC) for hour in hours}
    ends = NOT_YET in body and max(hours, default=NINE).date() < TODAY + timedelta(days=6)
    last = visit().last_day if ends and not hours else WEEK.last
    assert reading.covered == (CoveredWindow("5", TODAY, last),)
    assert reading.outcome is (Outcome.SLOTS if hours else Outcome.NO_SLOTS)


@given(st.lists(walls, min_size=1, max_size=5, unique=True), st.data())
def test_a_page_that_broke_off_closes_nothing(hours: list[datetime], data: st.DataObject) -> None:
    body = week(hours)
    cut = body[: data.draw(st.integers(0, body.index("</html")))]
    reading = read(cut)
    assert {slot.starts_at for slot in reading.slots} <= {hour.astimezone(UTC) for hour in hours}
    assert reading.covered == ()
