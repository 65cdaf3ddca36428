""".env.example has every variable, each with a line of meaning, and works as it is."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from configs.settings import Settings
from configs.settings.common import Program
from configs.settings.misspelt import describe_misspelt
from configs.settings.proxies import parse_proxies
from tests.in_turn import in_turn

EXAMPLE = Path(__file__).parents[3] / ".env.example"
LINES = EXAMPLE.read_text(encoding="utf-8").splitlines()


def test_it_has_every_variable_and_no_other_and_each_once() -> None:
    listed = [line.partition("=")[0] for line in LINES if line and not line.startswith("#")]
    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)


def meanings() -> dict[str, str]:
    """Return the last line of the comment that counts for each variable: the next one above it, by no empty line."""
    found, meaning = {}, ""
    for line in LINES:
        if not line or line.startswith("#"):
            meaning = line
        else:
            found[line.partition("=")[0]] = meaning
    return found


def test_its_values_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(EXAMPLE.parent)
    example = Settings(_env_file=EXAMPLE)
    assert example == Settings(_env_file=None)


def marked(words: str) -> set[str]:
    """Return the variables whose meaning has these words in its brackets, a pattern."""
    return {name for name, meaning in meanings().items() if re.search(rf"\[.*{words}.*\]$", meaning)}


def needed_by(program: str) -> set[str]:
    """Return the variables that are marked as needed by a program in production."""
    return marked(rf"\b{program}\b")


def read_refused(program: str | None) -> set[str]:
    """Return the variables that a program misses in an empty environment of production."""
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, app_env="production", program=program)
    return set(re.findall(r"(\w+) is not (?:set|https)", str(refused.value)))


@in_turn("program", get_args(Program))
def test_what_production_needs_is_marked(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    assert needed_by(program) == read_refused(program)


ROOT = Path(__file__).parents[3]
KNOWN = {name.upper() for name in Settings.model_fields}
# Variables of other programs whose names are most like ours.
FOREIGN = ["AWS_SECRET_ACCESS_KEY", "SENTRY_RELEASE", "STATE_DIRECTORY", "STRIPE_API_KEY"]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give an environment that is empty."""
    found: dict[str, str] = {}
    monkeypatch.setattr("os.environ", found)
    return found


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BACKUP_HUOR", "BACKUP_HOUR"),
        ("backup_recipient", "BACKUP_RECIPIENTS"),
        ("API_ULR", "API_URL"),
    ],
)
def test_a_typing_error_is_named_with_what_is_meant(given: dict[str, str], name: str, meant: str) -> None:
    given[name] = "1"
    assert list(describe_misspelt(KNOWN)) == [
        f"{name.upper()} is no setting and has no effect: is {meant} meant?"
    ]


def test_variables_of_others_and_of_the_deployment_are_left_alone(given: dict[str, str]) -> None:
    files = [
        path
        for path in (ROOT / "deploy").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc", ".txt"}
    ]
    assert len(files) > 20
    own = {word for path in files for word in re.findall(r"\b[A-Z][A-Z0-9_]{4,}\b", path.read_text("utf-8"))}
    assert {"SERVER_NAME", "ACME_EMAIL", "BACKUP_URL"} <= own
    given.update(dict.fromkeys([*own, *FOREIGN], "1"))
    assert list(describe_misspelt(KNOWN)) == []


def test_each_proxy_has_a_name_without_secrets() -> None:
    found = parse_proxies(
        "http://ann:s%40crét@Gate.example.com:8000, http://bob:other@gate.example.com:8000 ,http://127.0.0.1:3128"
    )
    assert [each.name for each in found] == [
        "gate.example.com:8000#1",
        "gate.example.com:8000#2",
        "127.0.0.1:3128#3",
    ]
    assert "s%40crét" not in repr(found)
    assert "s%40crét" in found[0].url
