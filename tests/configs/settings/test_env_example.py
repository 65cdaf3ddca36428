""".env.example has every variable, each with a line of meaning, and works as it is."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from configs.settings import Program, Settings

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


@pytest.mark.parametrize("program", get_args(Program))
def test_what_production_needs_is_marked(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    assert needed_by(program) == read_refused(program)
