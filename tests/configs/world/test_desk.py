"""A desk as other programs build and ask it."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from configs.world.desk import Desk, Grade, Procedure, WatchLevel


def _desk(**changed: Any) -> Desk:
    given: dict[str, Any] = {
        "prefecture_id": "bobigny_93",
        "slug": "visa",
        "label": "Visa",
        "procedures": [Procedure.VISA],
        "platform": "ezbooking",
        "url": "https://www.seine-saint-denis.gouv.fr/booking/create/1",
        "grade": Grade.CONFIRMED,
        "source": "a test",
        "date": dt.date(2026, 3, 31),
    }
    return Desk(**(given | changed))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.x.fr/a", "www.x.fr:443"),
        ("http://www.x.fr", "www.x.fr:80"),
        ("http://127.77.0.91:8800/a", "127.77.0.91:8800"),
        ("https://WWW.X.fr:8443/", "www.x.fr:8443"),
    ],
)
def test_its_host_is_a_name_and_a_port(url: str, host: str) -> None:
    assert _desk(url=url).host == host


@pytest.mark.parametrize("grade", list(Grade))
@pytest.mark.parametrize("watch", list(WatchLevel))
def test_stale_retired_and_unwatchable_desks_are_not_scheduled(grade: Grade, watch: WatchLevel) -> None:
    expected = grade in (Grade.CONFIRMED, Grade.UNCONFIRMED) and watch in (
        WatchLevel.FULL,
        WatchLevel.PRESENCE,
    )
    assert _desk(grade=grade, watch=watch).schedulable is expected


def test_without_the_token_of_its_platform_it_is_not_watched_and_says_so(
    settings_env: Callable[..., None],
) -> None:
    settings_env(ANTS_TOKEN="")
    lacking = _desk(platform="ants")
    assert (lacking.watch, lacking.schedulable) == (WatchLevel.NONE, False)
    assert lacking.unwatched_because == "its site asks for a token that we do not have (ANTS_TOKEN)"
    settings_env(ANTS_TOKEN="tests-token")
    assert (_desk(platform="ants").watch, _desk(platform="ants").unwatched_because) == (WatchLevel.FULL, None)
    assert (
        _desk(platform="ants", watch=WatchLevel.NONE).unwatched_because
        == "its page needs a login that we do not have"
    )
    assert _desk(platform="ants", grade=Grade.RETIRED).unwatched_because == "it does not exist any more"


@pytest.mark.parametrize("program", ["api", "background", "notifier", "stream", "reader"])
def test_a_program_that_is_not_given_the_token_trusts_that_the_crawler_was(
    settings_env: Callable[..., None], program: str
) -> None:
    settings_env(ANTS_TOKEN="", PROGRAM=program)
    assert not _desk(platform="ants").schedulable
    settings_env(GRANTED_TOKENS="ants")
    assert _desk(platform="ants").shows_slots
    settings_env(PROGRAM="crawler")
    assert not _desk(platform="ants").schedulable


def test_without_a_browser_one_that_needs_it_is_not_watched_and_says_so(
    settings_env: Callable[..., None],
) -> None:
    settings_env(BROWSER_PATH="/nowhere/chromium")
    assert _desk().watch is WatchLevel.FULL
    lacking = _desk(fetch="browser")
    assert (lacking.watch, lacking.schedulable) == (WatchLevel.NONE, False)
    assert lacking.unwatched_because == (
        "its page needs a browser: BROWSER_PATH names /nowhere/chromium, which is no program that can be run"
    )
    settings_env(BROWSER_PATH="/bin/sh")
    assert (_desk(fetch="browser").watch, _desk(fetch="browser").unwatched_because) == (WatchLevel.FULL, None)


def test_what_a_desk_that_is_not_watched_lacks_is_its_reason() -> None:
    lacking = _desk(watch=WatchLevel.NONE, because="its form was never opened")
    assert (lacking.schedulable, lacking.unwatched_because) == (False, "its form was never opened")
    retired = _desk(watch=WatchLevel.NONE, because="its form was never opened", grade=Grade.RETIRED)
    assert retired.unwatched_because == "it does not exist any more"


@pytest.mark.parametrize("watch", [WatchLevel.FULL, WatchLevel.PRESENCE, None])
@pytest.mark.parametrize("token", ["", "tests-token"])
def test_a_desk_that_is_watched_does_not_say_why_it_is_not(
    watch: WatchLevel | None, token: str, settings_env: Callable[..., None]
) -> None:
    settings_env(ANTS_TOKEN=token)
    with pytest.raises(ValidationError, match="must be none where `because` says why"):
        _desk(platform="ants", because="no time", **{"watch": watch} if watch else {})
