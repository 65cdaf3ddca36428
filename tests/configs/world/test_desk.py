"""A desk as other programs build and ask it."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from configs.ground.strict_yaml import ConfigFileError
from configs.settings.groups import HOSTS, PREFECTURES
from configs.world.desk import Desk, Grade, Procedure, WatchLevel
from configs.world.host_rule import Agent, Decision, load_hosts
from configs.world.plan import plans
from configs.world.prefecture import desk, host_rules, load_prefectures
from tests.in_turn import in_turn


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


@in_turn("grade", list(Grade))
@in_turn("watch", list(WatchLevel))
def test_stale_retired_and_unwatchable_desks_are_not_scheduled(grade: Grade, watch: WatchLevel) -> None:
    expected = grade in (Grade.CONFIRMED, Grade.UNCONFIRMED) and watch in (
        WatchLevel.FULL,
        WatchLevel.PEOPLE,
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


@in_turn("program", ["api", "background", "notifier", "stream", "reader"])
def test_a_program_that_is_not_given_the_token_trusts_that_the_crawler_was(
    settings_env: Callable[..., None], program: str
) -> None:
    settings_env(ANTS_TOKEN="", GRANTED_TOKENS="", PROGRAM=program)
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


@in_turn("watch", [WatchLevel.FULL, WatchLevel.PRESENCE, None])
@in_turn("token", ["", "tests-token"])
def test_a_desk_that_is_watched_does_not_say_why_it_is_not(
    watch: WatchLevel | None, token: str, settings_env: Callable[..., None]
) -> None:
    settings_env(ANTS_TOKEN=token)
    with pytest.raises(ValidationError, match="must be none where `because` says why"):
        _desk(platform="ants", because="no time", **{"watch": watch} if watch else {})


# hosts.yaml

ROBOTS = "robots: {decision: %s, date: 2026-11-20, reason: page 3 of its terms}"


def _file(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "hosts.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_what_is_decided_is_read(tmp_path: Path) -> None:
    path = _file(tmp_path, "a.fr:443:", "  agent: honest", "b.fr:443:", "  " + ROBOTS % "allowed")
    found = load_hosts(path)
    assert (found["a.fr:443"].agent, found["a.fr:443"].robots, found["a.fr:443"].budget) == (
        Agent.HONEST,
        None,
        None,
    )
    robots = found["b.fr:443"].robots
    assert robots
    assert (robots.decision, str(robots.date), found["b.fr:443"].refusal) == (
        Decision.ALLOWED,
        "2026-11-20",
        None,
    )


@in_turn(
    "lines, said",
    [
        (["a.fr:", "  agent: honest"], ": a.fr: is no host: write its name in lower case and its port"),
        (["A.fr:443:", "  agent: honest"], ": A.fr:443: is no host"),
        (["a.fr:443: honest"], ": a.fr:443: Input should be a valid dictionary"),
        (["a.fr:443:", "  agent: shy"], ": a.fr:443.agent: Input should be 'browser' or 'honest'"),
        (["a.fr:443:", "  " + ROBOTS % "maybe"], ": a.fr:443.robots.decision: Input should be 'unread'"),
        (["a.fr:443:", "  robots: {decision: refused}"], "a.fr:443.robots.reason: is missing: add it"),
        (["a.fr:443:", "  budget: 3"], "a.fr:443.reason: is missing: say why the budget differs"),
        (
            ["a.fr:443:", "  budget: 61", "  reason: x"],
            ": a.fr:443.budget: a real site is asked at most 60",
        ),
        (["a.fr:443:", "  bugdet: 3"], ": a.fr:443.bugdet: is no key here"),
        ([], ": file: is empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(ConfigFileError) as caught:
        load_hosts(_file(tmp_path, *lines))
    assert said in str(caught.value)


@pytest.mark.rule("3.9")
@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("refused", "its host's robots.txt or terms refuse it"),
        ("undecided", "its host is not asked before an operator has decided"),
    ],
)
def test_a_host_that_refuses_is_not_asked_and_its_desks_say_why(
    folder: Path,
    edit: Callable[[str, str], int],
    tmp_path: Path,
    settings_env: Callable[..., None],
    *,
    decision: str,
    said: str,
) -> None:
    edit("reason: it answered 429", "reason: it answered 429\n    " + ROBOTS % decision)
    settings_env(PREFECTURES_DIR=folder, HOSTS_FILE=_file(tmp_path, "other.fr:443:", "  agent: honest"))
    refused = desk("evry-courcouronnes_91/titre-sejour")
    assert not refused.schedulable
    assert refused.unwatched_because == (f"{said} (2026-11-20): page 3 of its terms")
    assert set(host_rules()) == {"other.fr:443", "www.essonne.gouv.fr:443"}
    (essonne,) = load_prefectures(folder).values()
    assert essonne.paused_because == "no page can be watched"


def test_the_shipped_rules_are_of_hosts_that_desks_are_on_and_claim_nothing_that_nobody_read() -> None:
    shared = load_hosts(HOSTS)
    on = {each.host for every in load_prefectures(PREFECTURES, shared).values() for each in every.desks}
    assert set(shared) <= on
    decided = {host: rule.robots.decision for host, rule in shared.items() if rule.robots}
    assert decided.pop("rendezvousonline.fr:443") is Decision.UNDECIDED
    assert set(decided.values()) == {Decision.UNREAD}


# The plans


def test_the_plans_are_those_that_the_outside_relies_on() -> None:
    assert {
        each.name.value: (
            each.price_cents,
            each.duration_seconds,
            each.recurring,
            each.alerts,
            each.interval_seconds,
        )
        for each in plans().values()
    } == {
        "NONE": (0, None, False, 0, None),
        "URGENCE_24H": (499, 24 * 3600, False, 1, 120),
        "URGENCE_7J": (1499, 7 * 24 * 3600, False, 3, 60),
        "URGENCE_TOTAL": (2999, None, True, None, 30),
    }
    assert {each.currency for each in plans().values()} == {"eur"}
