"""The rules for moved pages, each by itself, also where they decide nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from api.models.discovery import DriftReason
from crawler.discovery.results import CheckHistory, find_move
from crawler.discovery.site_walk import ObservedPage, PageSeen
from tests.in_turn import in_turn

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAGE = "https://www.essonne.gouv.fr/rendez-vous"
KNOWN = (PAGE,)
LIVES = CheckHistory(NOW - HOUR)
MUTE = CheckHistory(silent_since=NOW - HOUR)


def page(seen: ObservedPage = ObservedPage.READ) -> dict[str, PageSeen]:
    return {PAGE: PageSeen("evry_91", PAGE, seen)}


def reason(
    life: CheckHistory, seen: dict[str, PageSeen] | None = None, *, linked: bool = False, cut: bool = False
) -> DriftReason | None:
    sign = find_move(life, KNOWN, page() if seen is None else seen, NOW, linked=linked, cut=cut)
    return sign.reason if sign else None


# The retired link


@in_turn("life", [LIVES, MUTE, CheckHistory()])
def test_a_link_that_its_page_has_no_more_is_retired_though_the_page_says_no_slot(life: CheckHistory) -> None:
    sign = find_move(life, KNOWN, page(), NOW)
    assert sign is not None
    assert (sign.reason, PAGE in sign.detail) == (DriftReason.UNLINKED, True)


def test_slots_prove_that_a_page_is_still_in_use() -> None:
    gives = CheckHistory(NOW - HOUR, slot_at=NOW - HOUR)
    assert reason(gives) is None
    assert reason(CheckHistory(NOW - HOUR, slot_at=NOW - 2 * DAY)) is DriftReason.UNLINKED


@pytest.mark.parametrize(
    ("seen", "beside"),
    [
        pytest.param(page(), {"linked": True}, id="still linked, there or elsewhere"),
        pytest.param({}, {}, id="its page was not asked"),
        pytest.param({}, {"cut": True}, id="its page was not reached"),
        pytest.param(page(ObservedPage.DOUBT), {}, id="its page did not answer, or robots.txt forbids it"),
        pytest.param(
            page(ObservedPage.GONE), {"cut": True}, id="its page has gone, and not all others were seen"
        ),
        pytest.param(
            page(ObservedPage.MOVED),
            {"cut": True},
            id="its page leads elsewhere, and not all others were seen",
        ),
    ],
)
def test_doubt_retires_no_link(seen: dict[str, PageSeen], beside: dict[str, bool]) -> None:
    assert reason(LIVES, seen, **beside) is None


@in_turn("gone", [ObservedPage.GONE, ObservedPage.MOVED])
def test_a_page_that_has_gone_takes_its_links_with_it_where_all_others_were_seen(gone: ObservedPage) -> None:
    assert reason(LIVES, page(gone)) is DriftReason.UNLINKED


# Silence


def test_a_week_without_proof_is_too_long() -> None:
    week = timedelta(days=7)
    assert reason(CheckHistory(silent_since=NOW - week), linked=True) is DriftReason.SILENT
    assert reason(CheckHistory(silent_since=NOW - week + HOUR), linked=True) is None
    assert reason(CheckHistory(silent_since=None), linked=True) is None


def test_what_an_operator_stopped_has_not_moved() -> None:
    stopped = CheckHistory(silent_since=NOW - 30 * DAY, stopped=True)
    assert reason(stopped) is None
