"""`scrapy read` and `crawl` as a person runs them."""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crawler.commands.crawl import Command
from tests.crawler import ezbooking_pages as ez
from tests.crawler.commanded import Run, scrapy
from tests.crawler.held import scrapy_settings
from tests.in_turn import in_turn

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


# `crawl`, before a reactor is there


@pytest.fixture
def _servers(settings_env: Callable[..., None]) -> None:
    """Name the servers that a serving spider needs; nothing here connects to them."""
    settings_env(REDIS_URL="redis://127.0.0.1:1", DATABASE_URL="postgresql://127.0.0.1:1/none")


def prepared(*arguments: str) -> Command:
    """Return the command as `scrapy crawl …` has it when it is about to run."""
    command = Command()
    command.settings = scrapy_settings()
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    command.add_options(parser)
    opts, args = parser.parse_known_args(arguments)
    command.process_options(args, opts)
    return command


@pytest.mark.rule("3.10")
@in_turn(
    "arguments, said",
    [
        (("citopia",), "scrapy crawl citopia: no spider of ours; those that exist: .*discovery.*prefenligne"),
        (("prefenligne", "-a", "prefecture=x"), "scrapy crawl prefenligne: no prefecture 'x'"),
        (("prefenligne", "-a", "procedure=VISA"), "no desk to check with procedure=VISA"),
        (("prefenligne", "-a", "desk=naturalisation-torcy"), "is not on this machine"),
        (("discovery",), "scrapy crawl discovery: .* is not on this machine"),
        (("discovery", "-a", "prefecture=melun_77"), "no argument 'prefecture'; discovery takes none"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_starts(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        prepared(*arguments)


@pytest.mark.rule("3.10")
@pytest.mark.parametrize("missing", ["REDIS_URL", "DATABASE_URL"])
@pytest.mark.usefixtures("_servers")
def test_a_spider_that_cannot_serve_says_what_it_lacks_and_does_not_start(
    settings_env: Callable[..., None], missing: str
) -> None:
    settings_env(**{missing: ""})
    with pytest.raises(SystemExit, match=f"scrapy crawl prefenligne: {missing} is not set"):
        prepared("prefenligne", "-a", "_job=1")


def test_a_walk_of_all_sites_says_which_servers_it_needs(settings_env: Callable[..., None]) -> None:
    settings_env(PREFECTURES_DIR="deploy/sandbox/prefectures", ANTS_TOKEN="any")
    with pytest.raises(SystemExit, match="scrapy crawl discovery: REDIS_URL is not set"):
        prepared("discovery")
