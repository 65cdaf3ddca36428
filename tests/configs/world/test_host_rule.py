"""hosts.yaml: what a good one gives, that wrong ones are refused by line and key, and what a refusal does."""

from collections.abc import Callable
from pathlib import Path

import pytest

from configs.ground.strict_yaml import ConfigFileError
from configs.settings import HOSTS, PREFECTURES
from configs.world.host_rule import Agent, Decision, HostRule, load_hosts
from configs.world.prefecture import desk, host_rules, load_prefectures

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


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a.fr:", "  agent: honest"], ": a.fr: is no host: write its name in lower case and its port"),
        (["A.fr:443:", "  agent: honest"], ": A.fr:443: is no host"),
        (["a.fr:443: honest"], ": a.fr:443: must be a mapping"),
        (["a.fr:443:", "  agent: shy"], ": a.fr:443.agent: Input should be 'browser' or 'honest'"),
        (["a.fr:443:", "  " + ROBOTS % "maybe"], ": a.fr:443.robots.decision: Input should be 'unread'"),
        (["a.fr:443:", "  robots: {decision: refused}"], "a.fr:443.robots.reason: is missing: add it"),
        (["a.fr:443:", "  budget: 3"], "a.fr:443.reason: is missing: say why the budget differs"),
        (
            ["a.fr:443:", "  budget: 61", "  reason: x"],
            ": a.fr:443.budget: a real site is asked at most 60",
        ),
        (
            ["a.fr:443:", "  stealth: true", "  agent: honest"],
            ": a.fr:443.stealth: and `agent: honest` exclude each other: say who we are, or hide it",
        ),
        (
            ["a.fr:443:", "  robots: {decision: allowed, date: 2045-01-01, reason: x}"],
            "a.fr:443.robots.date: lies in the future",
        ),
        (["a.fr:443:", "  bugdet: 3"], ": a.fr:443.bugdet: is no key here; keys: agent, budget, reason"),
        ([], ": file: is empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(ConfigFileError) as caught:
        load_hosts(_file(tmp_path, *lines))
    assert said in str(caught.value)


@pytest.mark.parametrize("shared", [True, False])
def test_a_desk_does_not_hide_where_its_host_is_told_who_we_are(
    folder: Path, edit: Callable[[str, str], int], *, shared: bool
) -> None:
    edit("    watch: presence\n", "    watch: presence\n    fetch: browser\n    stealth: true\n")
    text = (folder / "evry-courcouronnes_91.yaml").read_text(encoding="utf-8").partition("hosts:")[0]
    rules = {"www.essonne.gouv.fr:443": HostRule(agent=Agent.HONEST)}
    if shared:
        (folder / "evry-courcouronnes_91.yaml").write_text(text, encoding="utf-8")
    else:
        edit("    budget: 3\n", "    agent: honest\n    budget: 3\n")
    with pytest.raises(ConfigFileError) as caught:
        load_prefectures(folder, rules if shared else {})
    (problem,) = caught.value.problems
    assert problem.endswith(
        "evry-courcouronnes_91.yaml: desks.1.stealth: and `agent: honest`, the rule of its host"
        " www.essonne.gouv.fr:443, exclude each other: remove one of them"
    )


@pytest.mark.rule("3.9")
def test_a_host_that_refuses_is_not_asked_and_its_desks_say_why(
    folder: Path, edit: Callable[[str, str], int], tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    edit("reason: it answered 429", "reason: it answered 429\n    " + ROBOTS % "refused")
    settings_env(PREFECTURES_DIR=folder, HOSTS_FILE=_file(tmp_path, "other.fr:443:", "  agent: honest"))
    refused = desk("evry-courcouronnes_91/titre-sejour")
    assert not refused.schedulable
    assert refused.unwatched_because == (
        "its host's robots.txt or terms refuse it (2026-11-20): page 3 of its terms"
    )
    assert set(host_rules()) == {"other.fr:443", "www.essonne.gouv.fr:443"}
    (essonne,) = load_prefectures(folder).values()
    assert essonne.paused_because == "no page can be watched"


def test_the_shipped_rules_are_of_hosts_that_desks_are_on_and_claim_nothing_that_nobody_read() -> None:
    shared = load_hosts(HOSTS)
    on = {each.host for every in load_prefectures(PREFECTURES, shared).values() for each in every.desks}
    assert set(shared) <= on
    assert {rule.robots.decision for rule in shared.values() if rule.robots} == {Decision.UNREAD}
