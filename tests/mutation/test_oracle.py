"""The oracle finds each kind of lie: a reader that told it would not pass."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from crawler.reading import CoveredWindow
from tests.mutation.mutants import Mutant
from tests.mutation.oracle import Claims, claims, ezbooking, lies
from tests.mutation.pages import Original, originals

NAMED = {each.name.partition("/")[2]: each for each in originals() if each.platform == "ezbooking"}
HOUR = datetime(2026, 11, 23, 8, tzinfo=UTC)
WEEK = CoveredWindow("23018", date(2026, 11, 20), date(2026, 11, 26))
NOTHING = Claims(frozenset(), is_open=False, covered=(), asks=())


def mutant(name: str, text: str | None = None) -> Mutant:
    original: Original = NAMED[name]
    return Mutant(original.page, text or original.text, original.truth, "test")


def found(broken: Mutant, said: Claims) -> str:
    return "; ".join(lies(broken, said, ezbooking(broken.text, broken.page)))


@pytest.mark.parametrize("name", sorted(NAMED))
def test_what_the_whole_pages_claim_is_no_lie(name: str) -> None:
    whole = mutant(name)
    assert not found(whole, claims("ezbooking", whole))


def test_an_hour_that_the_page_did_not_show_is_a_lie() -> None:
    assert "hours that are not there" in found(
        mutant("week"), NOTHING._replace(hours=frozenset({HOUR + timedelta(days=1)}))
    )


def test_an_hour_whose_address_is_gone_or_hidden_is_a_lie() -> None:
    said = NOTHING._replace(hours=frozenset({HOUR}))
    text = NAMED["week"].text
    assert not found(mutant("week"), said)
    assert found(mutant("week", text.replace("1795420800", "")), said)
    assert found(mutant("week", text.replace("<td>", "<template>").replace("</td>", "</template>")), said)
    assert found(
        mutant("week", text.replace("<td>", "<td><span hidden>").replace("</td>", "</span></td>")), said
    )
    assert not found(mutant("week", text.replace("<td>", "<td><span hidden>x<td>")), said)


@pytest.mark.parametrize("name", ["no_slot", "home_page"])
def test_open_without_its_mark_is_a_lie(name: str) -> None:
    said = NOTHING._replace(is_open=True)
    assert found(mutant(name), said)
    assert not found(mutant("open"), said)
    assert found(mutant("open", "<p>etape_3.png</p>"), said)


def test_covering_a_week_without_one_of_its_hours_is_a_lie() -> None:
    hours = NAMED["week"].truth.hours
    assert not found(mutant("week"), NOTHING._replace(hours=hours, covered=(WEEK,)))
    assert "without" in found(mutant("week"), NOTHING._replace(hours=hours - {HOUR}, covered=(WEEK,)))


@pytest.mark.parametrize(
    "window",
    [
        CoveredWindow(),
        replace(WEEK, last=date(2026, 11, 27)),
    ],
)
def test_covering_more_than_the_page_answered_for_is_a_lie(window: CoveredWindow) -> None:
    hours = NAMED["week"].truth.hours
    assert "covers more" in found(mutant("week"), NOTHING._replace(hours=hours, covered=(window,)))


@pytest.mark.parametrize(
    "text",
    [
        "<!-- Il n'existe plus de plage horaire libre -->",
        "<p>Il n'existe plus de plage horaire libre</p><h1>Service surchargé</h1>",
        "<p>Il n'existe plus de plage horaire libre</p><a href='/booking/create/9845/5/1795420800'>",
    ],
)
def test_covering_all_without_the_sentence_or_against_it_is_a_lie(text: str) -> None:
    said = NOTHING._replace(covered=(CoveredWindow(),))
    assert not found(mutant("no_slot"), said)
    assert found(mutant("no_slot", text), said)


def test_a_wall_claims_nothing() -> None:
    wall = replace(mutant("no_slot"), walled=True)
    assert found(wall, NOTHING._replace(covered=(CoveredWindow(),)))
    assert not found(wall, NOTHING)


@pytest.mark.parametrize(("method", "step"), [("GET", "5/1795420800"), ("POST", "11")])
def test_a_request_that_would_take_a_slot_is_found(method: str, step: str) -> None:
    said = NOTHING._replace(asks=((method, f"https://x.invalid/booking/create/9845/{step}"),))
    assert "would take" in found(mutant("open"), said)
