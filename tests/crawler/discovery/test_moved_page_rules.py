"""The rules for moved pages, each by itself, also where they decide nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.models.discovery import DriftReason
from crawler.discovery.moved_page_rules import CheckHistory, CurrentRun, PreviousRun, find_move, same_title
from crawler.discovery.observations import LandingSeen, ObservedPage, PageSeen

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAGE = "https://www.essonne.gouv.fr/rendez-vous"
DESK = "https://www.essonne.gouv.fr/booking/create/23014"
KNOWN = PreviousRun({PAGE: "Prendre rendez-vous"}, "Naturalisation")
LIVES = CheckHistory(NOW - HOUR, NOW - HOUR)
MUTE = CheckHistory(NOW - HOUR)


def page(seen: ObservedPage = ObservedPage.READ, title: str = "Prendre rendez-vous") -> dict[str, PageSeen]:
    return {PAGE: PageSeen("evry_91", PAGE, seen, "", title)}


def landing(status: int | None = 200, url: str = DESK, title: str = "Naturalisation") -> LandingSeen:
    return LandingSeen("evry_91/a", status, url, title)


def linked(title: str = "Prendre rendez-vous", **more: Any) -> CurrentRun:
    return CurrentRun(page(title=title), page(title=title), **more)


def reason(life: CheckHistory, before: PreviousRun, seen: CurrentRun) -> DriftReason | None:
    sign = find_move(life, before, seen, NOW)
    return sign.reason if sign else None


# The retired link


@pytest.mark.parametrize("life", [LIVES, MUTE, CheckHistory()])
def test_a_link_that_its_page_has_no_more_is_retired_though_the_page_says_no_slot(life: CheckHistory) -> None:
    sign = find_move(life, KNOWN, CurrentRun(page()), NOW)
    assert sign is not None
    assert (sign.reason, PAGE in sign.detail) == (DriftReason.UNLINKED, True)


def test_slots_prove_that_a_page_is_still_in_use() -> None:
    gives = CheckHistory(NOW - HOUR, NOW - HOUR, slot_at=NOW - HOUR)
    assert reason(gives, KNOWN, CurrentRun(page())) is None
    assert (
        reason(CheckHistory(NOW - HOUR, NOW - HOUR, slot_at=NOW - 2 * DAY), KNOWN, CurrentRun(page()))
        is DriftReason.UNLINKED
    )


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(linked(), id="still linked"),
        pytest.param(
            CurrentRun(page(), {"https://www.essonne.gouv.fr/autre": page()[PAGE]}), id="linked elsewhere now"
        ),
        pytest.param(CurrentRun({}), id="its page was not asked"),
        pytest.param(
            CurrentRun(page(ObservedPage.DOUBT)), id="its page did not answer, or robots.txt forbids it"
        ),
        pytest.param(
            CurrentRun(page(ObservedPage.GONE), cut=True),
            id="its page has gone, and not all others were seen",
        ),
        pytest.param(
            CurrentRun(page(ObservedPage.MOVED), cut=True),
            id="its page leads elsewhere, and not all others were seen",
        ),
    ],
)
def test_doubt_retires_no_link(seen: CurrentRun) -> None:
    assert reason(LIVES, KNOWN, seen) is None


@pytest.mark.parametrize("gone", [ObservedPage.GONE, ObservedPage.MOVED])
def test_a_page_that_has_gone_takes_its_links_with_it_where_all_others_were_seen(gone: ObservedPage) -> None:
    assert reason(LIVES, KNOWN, CurrentRun(page(gone))) is DriftReason.UNLINKED


def test_each_page_that_linked_it_must_have_been_read() -> None:
    other = f"{PAGE}/2"
    assert reason(LIVES, PreviousRun({PAGE: "x", other: "y"}), CurrentRun(page())) is None
    both = page() | {other: PageSeen("evry_91", other, ObservedPage.READ)}
    assert reason(LIVES, PreviousRun({PAGE: "x", other: "y"}), CurrentRun(both)) is DriftReason.UNLINKED


def test_who_was_never_seen_linked_is_not_missed() -> None:
    assert reason(MUTE, PreviousRun(), CurrentRun(page())) is None


# The desk's own page


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (landing(404), DriftReason.GONE),
        (landing(410), DriftReason.GONE),
        (landing(403), None),
        (landing(500), None),
        (landing(None), None),
        (landing(url="https://www.essonne.gouv.fr/"), DriftReason.HOME),
        (landing(title="Accueil"), DriftReason.RETITLED),
        (landing(title=""), None),
        (landing(title="NATURALISATION  2027"), None),
        (landing(), None),
        (None, None),
    ],
)
def test_what_the_desks_own_page_says(seen: LandingSeen | None, expected: DriftReason | None) -> None:
    assert reason(MUTE, KNOWN, linked(landing=seen)) is expected
    assert reason(LIVES, KNOWN, linked(landing=seen)) is None, "a check has proven since that it lives"


def test_a_refusal_is_the_pages_own_only_where_another_of_its_host_answered() -> None:
    assert reason(MUTE, KNOWN, linked(landing=landing(403), answered=True)) is DriftReason.GONE


def test_a_proof_older_than_a_day_is_none() -> None:
    stale = CheckHistory(NOW - HOUR, NOW - DAY - HOUR)
    assert reason(stale, KNOWN, linked(landing=landing(404))) is DriftReason.GONE


# Titles and silence


def test_another_title_of_the_page_that_links_it_counts_where_no_check_understands_the_desk() -> None:
    assert reason(MUTE, KNOWN, linked("Permis de conduire")) is DriftReason.RETITLED
    assert reason(LIVES, KNOWN, linked("Permis de conduire")) is None
    assert reason(MUTE, PreviousRun({PAGE: ""}), linked("Permis de conduire")) is None


def test_a_week_without_proof_is_too_long() -> None:
    week = timedelta(days=7)
    assert reason(CheckHistory(NOW, silent_since=NOW - week), KNOWN, linked()) is DriftReason.SILENT
    assert reason(CheckHistory(NOW, silent_since=NOW - week + HOUR), KNOWN, linked()) is None
    assert reason(CheckHistory(NOW, silent_since=None), KNOWN, linked()) is None


def test_what_an_operator_stopped_has_not_moved() -> None:
    stopped = CheckHistory(NOW, silent_since=NOW - 30 * DAY, stopped=True)
    assert reason(stopped, KNOWN, CurrentRun(page(), landing=landing(404))) is None


def test_titles_are_compared_by_their_words() -> None:
    assert same_title("Prendre rendez-vous, 2026", "PRENDRE RENDEZ VOUS (2027)")
    assert not same_title("Prendre rendez-vous", "Prendre un rendez-vous au guichet")
