"""The strict YAML reader: what it takes for what, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, ValidationError

from configs.ground.strict_model import Strict
from configs.ground.strict_yaml import Document, check, read_document
from tests.in_turn import in_turn


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.yaml"


def _read(file: Path, text: str | bytes) -> Document:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_document(file)


@in_turn(
    "written, read_as",
    [
        ('"075"', "075"),
        ("'91'", "91"),
        ("91", 91),
        ("-3", -3),
        ("1.5", 1.5),
        ("true", True),
        ("no", "no"),
        ("2026-03-31", "2026-03-31"),
        ("~", None),
        ("", None),
        ("2A", "2A"),
        ("1e3", "1e3"),
        ("|\n  two\n  lines", "two\nlines\n"),
        ("[a, 1]", ["a", 1]),
        ("{b: {c: d}}", {"b": {"c": "d"}}),
    ],
)
def test_a_value_is_read_as_it_is_written(file: Path, written: str, read_as: object) -> None:
    document = _read(file, f"key: {written}\n")
    assert document.problems == []
    assert document.data == {"key": read_as}


@in_turn("text", ["075", "0o17", "0x1F", "12:30", "1_000", "+5", "9" * 5000, ".5", ".inf", "0b1", "<<"])
def test_a_number_that_parsers_read_differently_is_a_text(file: Path, text: str) -> None:
    assert _read(file, f"key: {text}\n").data == {"key": text}
    assert _read(file, f'key: "{text}"\n').data == {"key": text}


@in_turn(
    "text, said",
    [
        ("", "empty or no mapping"),
        ("- a\n- b\n", "empty or no mapping"),
        ("a: 1\nb: 2\na: 3\n", "the key a is written twice"),
        ("a:\n  b: 1\n  b: 2\n", "the key b is written twice"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor"),
        ("a: 1\n? [b]\n: 2\n", "no plain word"),
        ("a: [1, 2\n", "is not YAML"),
        ("a: 1\n---\nb: 2\n", "is not YAML"),
        ("a: \x07\n", "is not YAML"),
    ],
)
def test_what_is_no_plain_mapping_is_refused(file: Path, text: str, said: str) -> None:
    (problem,) = _read(file, text).problems
    assert problem.startswith(f"{file}: file: ")
    assert said in problem


def test_a_file_that_is_not_utf_8_is_refused(file: Path) -> None:
    assert "is not UTF-8" in _read(file, "a: é\n".encode("latin-1")).problems[0]


class _Inner(Strict):
    number: int


class _Outer(Strict):
    name: str
    inner: tuple[_Inner, ...] = ()
    maybe: _Inner | None = None


def test_each_problem_of_a_model_has_its_key(file: Path) -> None:
    document = _read(file, "name: 3\ninner:\n  - number: 1\n  - number: x\n    more: 2\n  - {}\n")
    assert check(document, _Outer, document.data) is None
    problems = document.problems
    assert all(problem.startswith(f"{file}: ") for problem in problems)
    assert "name: must be a text: write it in quotes" in problems[0]
    assert "inner.1.more: is no key here" in problems[2]
    assert "inner.2.number: is missing: add it" in problems[3]


class _Thing(Strict):
    name: str = ""
    names: list[str] = Field(default_factory=list)
    more: dict[str, Any] = Field(default_factory=dict)


@in_turn(
    "given",
    [{"name": "a\0"}, {"names": ["a", "\0"]}, {"more": {"a": {"b": ["\0"]}}}, {"more": {"\0": 1}}],
)
def test_a_nul_is_refused_wherever_it_stands(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="NUL"):
        _Thing.model_validate(given)


def test_depth_is_no_way_to_crash() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert _Thing.model_validate({"more": {"a": deep}}).more["a"] is deep
    with pytest.raises(ValidationError):
        _Thing.model_validate({"name": deep})
