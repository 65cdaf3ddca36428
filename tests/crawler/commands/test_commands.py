"""`scrapy read`, `crawl`, `check` and `hosts` as a person runs them."""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine

from api.models.desk import HostState
from configs.world.desk import Desk
from crawler.commands.crawl import Command
from crawler.commands.hosts import host_table
from crawler.incidents import kill_switch
from crawler.scheduling import due_queue
from tests.crawler import ezbooking_pages as ez
from tests.crawler.commanded import Run, command, scrapy
from tests.crawler.held import scrapy_settings
from tests.factories import rows, save
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


@pytest.fixture
def two_desks(redis_server: redis.Redis, desk_files: Callable[..., dict[str, Desk]]) -> None:
    desk_files(naturalisation="127.77.0.91:8800", remise="127.77.0.92:8800")


def pushed(redis_server: redis.Redis) -> list[bytes | str]:
    return redis_server.lrange(due_queue.pushed("prefenligne"), 0, -1)


@pytest.mark.usefixtures("two_desks")
def test_desks_are_pushed_in_the_order_named(
    redis_server: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("check", "evry_91/remise", "evry_91/naturalisation") == 0
    assert pushed(redis_server) == [b"evry_91/remise", b"evry_91/naturalisation"]
    assert capsys.readouterr().out == ("2 due now; each is asked when its host may be asked again\n")


@pytest.mark.rule("3.10")
@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "name a desk"),
        (("evry_91/remise", "evry_91/naturalization"), "did you mean evry_91/naturalisation"),
        (("qqq",), "no desk 'qqq'; those that exist: evry_91/naturalisation, evry_91/remise"),
    ],
)
@pytest.mark.usefixtures("two_desks")
def test_where_one_is_wrong_that_is_said_and_none_is_pushed(
    names: tuple[str, ...], said: str, redis_server: redis.Redis
) -> None:
    assert said in str(command("check", *names))
    assert pushed(redis_server) == []


@pytest.mark.usefixtures("two_desks")
def test_a_desk_that_is_not_scheduled_says_why(
    redis_server: redis.Redis, desk_files: Callable[..., dict[str, Desk]]
) -> None:
    desk_files(grade="stale", remise="127.77.0.91:8800")
    assert "evry_91/remise is not scheduled: its address is very old, or known to be dead" in str(
        command("check", "evry_91/remise")
    )
    assert pushed(redis_server) == []


NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
ONE, TWO, THREE = "127.77.0.91:8800", "127.77.0.92:8800", "127.77.0.93:8800"


@pytest.fixture
def hosts(
    database: str,
    redis_server: redis.Redis,
    desk_files: Callable[..., dict[str, Desk]],
    frozen: time_machine.Traveller,
) -> None:
    desk_files(a=ONE, b=ONE, c=TWO, d=THREE)


@pytest.mark.usefixtures("hosts")
def test_stopped_ones_come_first_then_those_that_rest_and_a_rest_that_is_over_is_none() -> None:
    later = NOW + timedelta(minutes=5)
    kill_switch.order_host(THREE, "they wrote to us")
    save(HostState(host=TWO, rests_until=later, rest_reason="blocked", rests_in_a_row=2, budget_share=0.5))
    save(HostState(host=ONE, rests_until=NOW, rest_reason="blocked", rests_in_a_row=1))
    save(HostState(host="www.gone.fr:443"))
    assert [" ".join(line.split()) for line in host_table(NOW).splitlines()[1:]] == [
        f"{THREE} 1 6/min 100% 0 - 2026-11-20 09:00:00Z: they wrote to us",
        f"{TWO} 1 6/min 50% 2 2026-11-20 09:05:00Z: blocked -",
        f"{ONE} 2 60/min 100% 1 - -",
        "www.gone.fr:443 0 - 100% 0 - -",
    ]


@pytest.mark.usefixtures("hosts")
def test_the_table_shows_a_host_as_soon_as_it_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = scrapy(capsys, "hosts", "--stop", ONE, "--reason", "they wrote to us")
    assert "2026-11-20 09:00:00Z: they wrote to us" in out.splitlines()[1]


@pytest.mark.rule("3.10")
@in_turn(
    "arguments, said",
    [
        (("--stop", "127.77.0.91", "--reason", "x"), f"did you mean {ONE}? those that exist: {ONE}, {TWO}"),
        (("--go", "nowhere"), f"no desk is on 'nowhere'; those that exist: {ONE}, {TWO}, {THREE}"),
        (("--stop", ONE), "--stop HOST and --reason TEXT go together"),
        (("--reason", "x"), "--stop HOST and --reason TEXT go together"),
        (("--stop", ONE, "--reason", " "), "--stop HOST and --reason TEXT go together"),
        (("--stop", ONE, "--reason", "x", "--go", ONE), "not both"),
        ((ONE,), f"'{ONE}' is no argument"),
    ],
)
@pytest.mark.usefixtures("hosts")
def test_what_is_wrong_is_said_and_nothing_moves(arguments: tuple[str, ...], said: str) -> None:
    assert said in str(command("hosts", *arguments))
    assert rows(HostState) == []
