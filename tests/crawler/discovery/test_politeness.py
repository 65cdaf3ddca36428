"""Pauses between requests to a site, and the end of requests to it."""

from collections.abc import Callable

import pytest

from crawler.discovery.politeness import ENOUGH, LONGEST_PAUSE, SitePoliteness

SITE, OTHER = "www.essonne.gouv.fr:443", "www.yvelines.gouv.fr:443"


def test_a_refusal_ends_the_walk_of_that_site_alone() -> None:
    manners = SitePoliteness()
    assert manners.note(SITE, refused=True, doubtful=True)
    assert manners.note(SITE), "it stays so"
    assert not manners.note(OTHER)


def test_so_do_some_pages_in_a_row_that_did_not_come() -> None:
    manners = SitePoliteness()
    for _ in range(ENOUGH - 1):
        assert not manners.note(SITE, doubtful=True)
    assert not manners.note(SITE)
    said = [manners.note(SITE, doubtful=True) for _ in range(ENOUGH)]
    assert said == [False] * (ENOUGH - 1) + [True]


@pytest.mark.parametrize(("asked", "pause"), [(5.0, 10.0), (30.0, 30.0), (3600.0, LONGEST_PAUSE)])
def test_a_pause_that_is_asked_for_is_made_longer_never_shorter(
    settings_env: Callable[..., None], asked: float, pause: float
) -> None:
    settings_env(DISCOVERY_DELAY_SECONDS="10")
    manners = SitePoliteness()
    assert manners.slow_down(SITE, asked) == pause
    assert manners.pauses == {SITE: pause}
