""".env.example has every variable, each with a line of meaning, and works as it is."""

import itertools
import re
from pathlib import Path

import pytest

from configs.settings import Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
LINES = EXAMPLE.read_text(encoding="utf-8").splitlines()


def test_it_has_every_variable_and_no_other_and_each_once() -> None:
    listed = [line.partition("=")[0] for line in LINES if line and not line.startswith("#")]
    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)


def test_each_variable_has_a_line_of_meaning_above_it() -> None:
    for above, line in itertools.pairwise(LINES):
        if line and not line.startswith("#"):
            assert re.match(r"# \w.{8,}", above), f"{line} has no meaning above it"


def test_its_values_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(EXAMPLE.parent)
    example = Settings(_env_file=EXAMPLE)
    assert example == Settings(_env_file=None)
