"""The oracle finds each kind of lie: a reader that told it would not pass."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

from crawler.reading import CoveredWindow
from tests.in_turn import in_turn
from tests.mutation.mutants import Mutant
from tests.mutation.oracle import Claims, claims, ezbooking, lies
from tests.mutation.pages import Original, originals


@cache
def named() -> dict[str, Original]:
    """Return the golden pages of one platform by their cases."""
    return {each.name.partition("/")[2]: each for each in originals() if each.platform == "ezbooking"}


HOUR = datetime(2026, 11, 23, 8, tzinfo=UTC)
WEEK = CoveredWindow("23018", date(2026, 11, 20), date(2026, 11, 26))
NOTHING = Claims(frozenset(), is_open=False, covered=(), asks=())
ONE, OPEN = NOTHING._replace(hours=frozenset({HOUR})), NOTHING._replace(is_open=True)
ANOTHER = NOTHING._replace(hours=frozenset({HOUR + timedelta(days=1)}))
FULL, NONE = NOTHING._replace(covered=(CoveredWindow(),)), "<p>Il n'existe plus de plage horaire libre</p>"
ASKS = [
    NOTHING._replace(asks=((method, f"https://x.invalid/booking/create/9845/{step}"),))
    for method, step in (("GET", "5/1795420800"), ("POST", "11"))
]


def covering(*windows: CoveredWindow, without: frozenset[date] = frozenset()) -> Claims:
    return NOTHING._replace(hours=named()["week"].truth.hours - without, covered=windows)


def found(name: str, text: str | None, said: Claims, *, walled: bool = False) -> str:
    whole = named()[name]
    broken = replace(Mutant(whole.page, text or whole.text, whole.truth, "test"), walled=walled)
    return "; ".join(lies(broken, said, ezbooking(broken.text, broken.page)))


@in_turn("name", lambda: sorted(named()))
def test_what_the_whole_pages_claim_is_no_lie(name: str) -> None:
    whole = named()[name]
    assert not found(name, None, claims("ezbooking", Mutant(whole.page, whole.text, whole.truth, "test")))


def list_claims() -> list[tuple[str, str | None, Claims, str]]:
    """Return claims about pages, or about a text in their place, each with the lie that is in it."""
    text = named()["week"].text
    return [
        ("week", None, ANOTHER, "hours that are not there"),
        ("week", None, ONE, ""),
        ("week", text.replace("1795420800", ""), ONE, "hours that"),
        ("week", text.replace("<td>", "<template>").replace("</td>", "</template>"), ONE, "hours that"),
        ("week", text.replace("<td>", "<td><span hidden>").replace("</td>", "</span></td>"), ONE, "hours that"),
        ("week", text.replace("<td>", "<td><span hidden>x<td>"), ONE, ""),
        ("no_slot", None, OPEN, "open without"),
        ("home_page", None, OPEN, "open without"),
        ("open", None, OPEN, ""),
        ("open", "<p>etape_3.png</p>", OPEN, "open without"),
        ("week", None, covering(WEEK), ""),
        ("week", None, covering(WEEK, without=frozenset({HOUR})), "without"),
        ("week", None, covering(CoveredWindow()), "covers more"),
        ("week", None, covering(replace(WEEK, last=date(2026, 11, 27))), "covers more"),
        ("no_slot", None, FULL, ""),
        ("no_slot", "<!-- Il n'existe plus de plage horaire libre -->", FULL, "covers every day"),
        ("no_slot", f"{NONE}<h1>Service surchargé</h1>", FULL, "covers every day"),
        ("no_slot", f"{NONE}<a href='/booking/create/9845/5/1795420800'>", FULL, "without"),
        *(("open", None, asks, "would take") for asks in ASKS),
    ]  # fmt: skip


@in_turn("name, text, said, lie", list_claims)
def test_a_lie_is_found_and_the_truth_is_none(name: str, text: str | None, said: Claims, lie: str) -> None:
    lied = found(name, text, said)
    assert lie in lied
    assert bool(lied) == bool(lie)


def test_a_wall_claims_nothing() -> None:
    assert found("no_slot", None, FULL, walled=True)
    assert not found("no_slot", None, NOTHING, walled=True)
