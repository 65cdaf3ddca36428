"""The plans: what is sold for how much, and what a wrong plans.yaml says."""

from pathlib import Path

import pytest

from configs.ground.strict_yaml import ConfigFileError, load_file
from configs.world.plan import PLANS, PlanName, PlansFile, plan, plans


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "plans.yaml"
    copy.write_text(PLANS.read_text(encoding="utf-8"), encoding="utf-8")
    return copy


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


def test_each_plan_opens_its_channels() -> None:
    assert plan("NONE").channels == frozenset()
    assert plan("URGENCE_24H").channels == {"email", "push"}
    assert plan(PlanName.URGENCE_7J).channels == {"email", "telegram", "push"}
    assert plan(PlanName.URGENCE_TOTAL).channels == {"email", "telegram", "push", "sms", "voice"}


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("price_cents: 499", "price_cents: 4.99", "URGENCE_24H.price_cents", "valid integer"),
        ("price_cents: 499", "price_cents: -1", "URGENCE_24H.price_cents", "greater than or equal to 0"),
        ("price_cents: 499", "price_cents: 0", "URGENCE_24H", "has a price"),
        ("price_cents: 499", "price: 499", "URGENCE_24H.price", "is no key here; keys: alerts, channels"),
        ("currency: eur", "currency: usd", "NONE.currency", "'eur'"),
        (
            "channels: [email, push]",
            "channels: [fax]",
            "URGENCE_24H.channels.0",
            "'email', 'push', 'sms', 'telegram' or 'voice'",
        ),
        ("recurring: true", "recurring: yes", "URGENCE_TOTAL.recurring", "valid boolean"),
        ("recurring: true", "recurring: false", "URGENCE_TOTAL", "either recurs or has duration_seconds"),
        ("URGENCE_7J:", "URGENCE_7D:", "URGENCE_7D", "is no key here; keys: NONE, URGENCE_24H"),
        ("URGENCE_7J:", "URGENCE_7D:", "URGENCE_7J", "is missing: add it"),
        ("URGENCE_7J:", "URGENCE_7J: 3\nX:", "URGENCE_7J", "should be a valid dictionary"),
        ("URGENCE_7J:", "URGENCE_7J:\n  name: NONE", "file", "URGENCE_7J.name comes from the key above"),
        ("URGENCE_7J:", "URGENCE_24H:", "file", "the key URGENCE_24H is written twice"),
    ],
)
def test_a_wrong_plan_is_refused_by_file_and_key(file: Path, old: str, new: str, key: str, said: str) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigFileError) as caught:
        load_file(file, PlansFile)
    own = [problem for problem in caught.value.problems if f": {key}: " in problem]
    assert own, caught.value.problems
    assert own[0].startswith(f"{file}:")
    assert said in " ".join(own)
