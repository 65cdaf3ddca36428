from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.world.desk import Outcome
from crawler.platforms import platform
from crawler.platforms.ezbooking import Form, ask_weeks
from crawler.reading import CoveredWindow, PageRequest, Place, VisitContext
from tests.crawler import ezbooking_pages as ez
from tests.crawler.pages import DESK, TODAY, page, play, read, visit
from tests.in_turn import in_turn

EZBOOKING = platform("ezbooking")

HOUR = int(datetime(2026, 11, 24, 9, 30, tzinfo=ez.PARIS).timestamp())
A = Place("23018", "Guichet A")
WINDOW = CoveredWindow("23018", TODAY, TODAY + timedelta(days=6))
CALENDAR = "https://www.seine-saint-denis.gouv.fr/ezjscore/call/bookingserver::planning::assign::9845::"


# Steps that take a slot


@pytest.mark.rule("3.8")
@in_turn("step", [2, 4, 5, 6, 8, 9, 10, -1])
def test_no_address_of_a_step_that_takes_or_ends_something_can_be_made(step: int) -> None:
    with pytest.raises(ValueError, match="not ours"):
        Form.of(visit()).step(step)


@pytest.mark.rule("3.8")
def test_addresses_that_take_a_slot_are_forbidden_and_so_is_the_button_of_step_4() -> None:
    for tail in ("/5/1795249632", "/5", "/6", "/8", "/9", "/10", "/5/", "/6?x"):
        assert EZBOOKING.is_forbidden(DESK + tail, "GET"), tail
        assert EZBOOKING.is_forbidden(DESK + tail, "POST"), tail
    assert EZBOOKING.is_forbidden(f"{DESK}/4", "POST")
    assert not EZBOOKING.is_forbidden(f"{DESK}/3", "POST")
    for tail in ("", "/", "/0", "/1", "/2", "/3", "/4", "?step=5"):
        assert not EZBOOKING.is_forbidden(DESK + tail, "GET"), tail


@pytest.mark.rule("3.8")
@in_turn(
    "body",
    [
        ez.conditions(),
        ez.choice({"1": "Guichet 1", "2": "Guichet 2"}),
        ez.terms(),
        ez.pick("23018", [HOUR]),
        ez.pick(),
        ez.week(TODAY, [HOUR]),
    ],
)
def test_whatever_a_page_leads_to_takes_nothing(body: str) -> None:
    reading = read(body)
    assert not any(EZBOOKING.is_forbidden(ask.url, ask.method) for ask in reading.asks)
    assert not any(ask.method == "POST" and "/4" in ask.url.removeprefix(DESK) for ask in reading.asks)
    assert all(slot.url == DESK for slot in reading.slots + reading.fallback)


# Steps


@in_turn("style, hidden", [("display: none", True), ("color: red", False)])
def test_an_error_counts_where_it_shows(style: str, hidden: bool) -> None:
    error = f'<ul class="error" style="{style}"><li>{ez.ERROR_SENTENCE}</li></ul>'
    reading = read(ez.conditions().replace("<h2>", f"{error}<h2>"), step="conditions")
    assert (reading.outcome, bool(reading.asks)) == ((None, True) if hidden else (Outcome.NO_SLOTS, False))


@pytest.mark.rule("3.7")
def test_a_page_of_thousands_of_plannings_holds_nobody_up() -> None:
    reading = read(ez.choice({str(number): f"Guichet {number}" for number in range(5_000)}))
    assert (reading.outcome, reading.asks) == (Outcome.UNREADABLE, ())
    assert reading.reason == "offers 5000 plannings, which no form does"


# Nothing free


@pytest.mark.rule("3.2")
def test_after_a_choice_the_sentence_covers_that_planning_only() -> None:
    assert read(ez.full(), step="planning", place=A).covered == (CoveredWindow("23018"),)


@pytest.mark.rule("3.2")
@in_turn(
    "body",
    [
        ez.wizard("", ez.END, step=2),  # the sentence is missing
        ez.wizard(f'<script>var plein = "{ez.SENTENCE}"</script>', ez.END, step=2),  # invisible
        f"<html><body><p>{ez.SENTENCE}</p></body></html>",  # told somewhere else
        ez.full("Aucun créneau disponible"),  # another platform's words
        ez.full(ez.SENTENCE[:25]),
    ],
)
def test_without_the_sentence_in_its_place_nothing_is_proven(body: str) -> None:
    assert read(body).outcome is Outcome.UNREADABLE


# Open


def test_a_planning_known_from_the_desks_file_spares_step_4() -> None:
    reading = read(ez.terms(), of=visit(plannings=["77"]))
    assert reading.asks[0].url == f"{CALENDAR}77::0"
    assert reading.asks[0].place == Place("9845")


@pytest.mark.rule("3.2")
@in_turn(
    "body",
    [
        ez.wizard("", ez.NEXT, step=3),  # a button without its picture
        ez.wizard("", ez.END, current=3, step=3),  # a picture without its button
        ez.wizard("", "", current=4, step=4),
    ],
)
def test_half_a_marker_does_not_open_a_desk(body: str) -> None:
    assert read(body).outcome is Outcome.UNREADABLE


# The calendar


def asked_of(seen: VisitContext, offered: dict[str, str], limit: int) -> list[PageRequest]:
    """Return what a visit asks of an open desk whose weeks are all empty."""
    pages = {
        "conditions": ez.conditions(),
        "accept": ez.choice(offered) if offered else ez.terms(),
        "describe": ez.pick("9846"),
        "planning": ez.terms(),
    }

    def tell(ask: PageRequest) -> str:
        first = ask.window.first if ask.window else None
        return ez.week(first) if first else pages[ask.step]

    return play("ezbooking", seen, tell, limit)[1]


@pytest.mark.journey
@pytest.mark.rule("3.3")
@in_turn("plannings", [0, 1, 2, 7, 13])
def test_visits_that_can_ask_one_week_come_to_every_week_of_every_planning(plannings: int) -> None:
    offered = {str(number): f"Guichet {number}" for number in range(100, 100 + plannings)}
    visits = [replace(visit(), turn=turn) for turn in range(13 * max(1, plannings))]
    last = [asked_of(each, offered, limit=4)[-1] for each in visits]
    assert {ask.step for ask in last} == {"week"}
    assert len({ask.url for ask in last}) == len(visits)


def test_each_planning_is_chosen_and_shows_a_week_before_more_of_their_weeks_are_asked() -> None:
    asked = asked_of(visit(), {"7": "A", "8": "B"}, limit=100)
    assert [ask.step for ask in asked[2:8]] == ["planning", "week", "planning", "week", "week", "week"]
    assert [ask.place.key for ask in asked[2:8]] == ["7", "7", "8", "8", "7", "8"]
    assert len([ask for ask in asked if ask.step == "week"]) == 26


@given(st.integers(0, 400))
def test_weeks_reach_the_horizon_without_a_gap(horizon: int) -> None:
    windows = [ask.window for ask in ask_weeks(page("", of=visit(horizon=horizon)), A, "7")]
    firsts = [window.first for window in windows if window]
    assert firsts == [TODAY + timedelta(days=ahead) for ahead in range(0, horizon + 1, 7)]
    assert {window.last - window.first for window in windows if window and window.first and window.last} == {
        timedelta(days=6)
    }


def test_one_week_is_asked_as_early_as_its_page_and_the_others_behind_all_places() -> None:
    here = replace(page("", of=visit(horizon=20)), ask=PageRequest("/4", rank=3, turn=1))
    asks = ask_weeks(here, A, "7")
    assert [(ask.url, ask.rank) for ask in asks] == [
        (f"{CALENDAR}7::{ahead}", rank) for ahead, rank in ((0, 102), (7, 3), (14, 101))
    ]
    assert {(ask.step, ask.place) for ask in asks} == {("week", A)}


def test_an_empty_week_that_nobody_can_date_proves_nothing() -> None:
    assert read(ez.week(TODAY, heading="Semaine 48")).outcome is Outcome.UNREADABLE


@pytest.mark.rule("3.2")
@in_turn(
    "body",
    [
        ez.week(TODAY, legend=False),  # cut off before its end
        ez.week(TODAY).replace('colspan="7"', 'colspan="5"'),
        ez.week(TODAY).replace("complet</td>", "09:30 Libre</td>", 1),  # a free hour that is not linked
        ez.week(TODAY, [HOUR]).replace(str(HOUR), "demain"),  # a link that cannot be read
        ez.week(TODAY, [HOUR]).replace("/9845/5/", "/1234/5/"),  # another form's
        ez.week(TODAY, [HOUR], legend=False).replace("href", "data-href"),  # its word is no legend
        ez.week(TODAY, legend=False).replace("complet</td>", "libre</td>", 1),  # nor is a day's
        ez.week(TODAY, [HOUR]).replace("<a", "<!-- <a").replace("</a>", "</a> -->"),  # an invisible hour
        ez.week(TODAY) + "<a href='/booking/create/9845/5/17",  # cut off in an hour's address
        ez.week(TODAY).replace("</table>", ""),  # cut off in the table
        ez.week(TODAY, heading="Semaine du 7 au 13 décembre"),  # another week's, without its year
        ez.week(TODAY, heading="Connexion sécurisée"),  # another page's text
        ez.week(TODAY) + ez.week(TODAY + timedelta(days=7), legend=False),  # two weeks in one
        ez.week(TODAY) + "<p><span>libre</span></p>",  # two legends
        "<table><tr><td>Fatal error: bookingserver",
        "",
    ],
)
def test_a_week_that_is_not_whole_proves_nothing(body: str) -> None:
    reading = read(body, step="week", place=A, window=WINDOW)
    assert (reading.outcome, reading.slots, reading.covered) == (Outcome.UNREADABLE, (), ())


# Parts of a cell that a template may have: none is a hour that is known to be taken.
_MARKS = st.sampled_from(["status-1 free", "libre", "slot--available", "dispo", "status-0 taken", "", "x9"])
_TAGS = st.sampled_from(["a", "button", "span", "label", "input", "div"])
_SAID = st.sampled_from(["09:30", "9h30", "Disponible", "2 places", "Choisir", "libre", "complet", "", "…"])
_MORE = st.sampled_from(
    [
        "",
        "href='#'",
        "href='/booking/choose/9845/17'",
        "onclick='take(1)'",
        "role=button",
        f"data-unix={HOUR}",
    ]
)


@pytest.mark.rule("3.2")
@given(_MARKS, _TAGS, _SAID, _MORE)
def test_whatever_a_template_makes_of_a_free_hour_no_week_proves_that_there_is_none(
    mark: str, tag: str, said: str, more: str
) -> None:
    """A cell without a word of a taken one, or with a mark of a free one or with what can be chosen, is not known."""
    cell = f"<td class='{mark}'><{tag} {more}>{said}</{tag}></td>"
    is_free = mark in ("status-1 free", "libre", "slot--available", "dispo")
    is_known = (
        said in ("complet", "")
        and not is_free
        and tag not in ("a", "button", "input")
        and "on" not in more.split("=", maxsplit=1)[0]
        and "role" not in more
    )
    body = ez.week(TODAY).replace("<td>complet</td>", cell, 1)
    reading = read(body, step="week", place=A, window=WINDOW)
    assert bool(reading.covered) is is_known, cell


@in_turn("unix", ["", "x", "9" * 30, "-9" + "9" * 20, "1e9", "1795249632.5"])
def test_a_malformed_hour_is_left_out(unix: str) -> None:
    reading = read(ez.week(TODAY, [HOUR]) + ez.link(unix), step="week", place=A, window=WINDOW)
    assert [slot.moment_text for slot in reading.slots] == ["2026-11-24T08:30:00+00:00"]
    assert "1 odd" in reading.reason


# Any hours until the horizon, also around both clock changes, each linked once or twice.
_ANY = st.integers(
    int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2027, 2, 18, tzinfo=UTC).timestamp())
)
_SPRING = st.integers(-8, 8).map(lambda q: int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()) + 900 * q)
_AUTUMN = st.integers(-8, 8).map(lambda q: int(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()) + 900 * q)


@given(st.lists(_ANY | _SPRING | _AUTUMN, max_size=30), st.integers(0, 9))
def test_what_a_calendar_shows_is_what_is_read(hours: list[int], doubled: int) -> None:
    body = "".join(map(ez.link, hours + hours[:doubled])) + ez.week(TODAY)
    reading = read(body, step="week", place=A, window=WINDOW)
    assert sorted(slot.starts_at.timestamp() for slot in reading.slots if slot.starts_at) == sorted(
        set(hours)
    )
    assert reading.outcome is (Outcome.SLOTS if hours else Outcome.NO_SLOTS)
