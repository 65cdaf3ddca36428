"""`scrapy read` as a person runs it."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.crawler import ezbooking_pages as ez
from tests.crawler.commanded import Run, scrapy
from tests.in_turn import in_turn

ROOT = Path(__file__).parents[2]
URL = "https://www.essonne.gouv.fr/booking/create/23014"
Saved = Callable[..., Path]
Told = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: exit code, standard output, standard error."""

    return partial(scrapy, capsys, "read")


@pytest.fixture
def told(run: Run) -> Told:
    """Run it and return what it printed, line by line."""

    def read(*arguments: str | Path) -> list[dict[str, Any]]:
        code, out, err = run(*arguments)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    return read


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    def save(name: str, body: str, url: str | None = None) -> Path:
        trace = f"<!-- saved from url=({len(url):04d}){url} -->\n" if url else ""
        (tmp_path / name).write_text(trace + body)
        return tmp_path / name

    return save


def test_each_file_is_one_object_on_a_line_in_order(told: Told, saved: Saved) -> None:
    full, opened = saved("full.html", ez.full(), URL + "/2"), saved("open.html", ez.terms(), URL + "/3")
    first, second = told("ezbooking", full, opened)
    assert first == {
        "file": str(full),
        "outcome": "no_slots",
        "slots": [],
        "covered": [{"place": None, "first": None, "last": None}],
        "reason": ez.SENTENCE,
        "next": None,
    }
    assert (second["file"], second["outcome"], second["slots"]) == (str(opened), None, [])
    assert second["next"] == [
        {"method": "POST", "url": f"{URL}/3", "form": {"nextButton": "Etape suivante"}, "place": "23014"}
    ]


@pytest.mark.rule("3.10")
@in_turn(
    "arguments, message",
    [
        (["ezboking", "setup.cfg"], "no platform 'ezboking': there are "),
        (["ezbooking", "none.html"], "cannot read none.html: No such file"),
        (["ezbooking", "tests"], "cannot read tests: Is a directory"),
        (["ezbooking"], "expected PLATFORM FILE..."),
        ([], "expected PLATFORM FILE..."),
        (["ezbooking", "setup.cfg", "--url", "https://a.fr/x"], "https://a.fr/x is no EZBooking address"),
        (["ezbooking", "setup.cfg", "--zone", "Paris"], "'Paris' is no time zone"),
        (["ezbooking", "setup.cfg", "--status", "ok"], "invalid int value"),
        (["ezbooking", "setup.cfg", "--statt"], "expected PLATFORM FILE..."),
        (["ezbooking", "setup.cfg", "none.html"], "cannot read none.html"),
    ],
)
def test_wrong_arguments_say_what_is_wrong_and_print_nothing(
    run: Run, arguments: list[str], message: str
) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_it_needs_nothing_of_its_environment_and_says_nothing_but_json(
    run: Run, saved: Saved, settings_env: Callable[..., None]
) -> None:
    settings_env(**dict.fromkeys(("DATABASE_URL", "REDIS_URL", "APP_ENV"), "nonsense"))
    code, out, err = run("ezbooking", saved("x.html", ez.full()))
    assert (code, err) == (0, "")
    assert json.loads(out)["outcome"] == "no_slots"
