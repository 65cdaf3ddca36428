"""The operators' commands: `hosts`, `desks` and `check`."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
import time_machine
from scrapy.cmdline import _get_commands_dict
from scrapy.settings import Settings

from api.models.desk import DeskStatus, HostState
from configs.ground.clock import clock
from configs.world.desk import Desk
from crawler.cli.state_tables import host_table
from crawler.commands.desks import listing
from crawler.hosts import kill_switch
from crawler.scheduling import due_queue
from tests.api.world import PREFECTURES
from tests.crawler.commanded import command, scrapy
from tests.factories import add_desk, rows, save
from tests.in_turn import in_turn

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
ONE, TWO, THREE = "127.77.0.91:8800", "127.77.0.92:8800", "127.77.0.93:8800"


@pytest.fixture
def _desks(
    database: str,
    redis_server: redis.Redis,
    desk_files: Callable[..., dict[str, Desk]],
    frozen: time_machine.Traveller,
) -> None:
    desk_files(a=ONE, b=ONE, c=TWO, d=THREE)


def list_rows() -> list[str]:
    return [" ".join(line.split()) for line in host_table(NOW).splitlines()[1:]]


@pytest.mark.usefixtures("_desks")
def test_stopped_ones_come_first_then_those_that_rest_and_a_rest_that_is_over_is_none() -> None:
    later = NOW + timedelta(minutes=5)
    kill_switch.stop(THREE, "they wrote to us")
    save(HostState(host=TWO, rests_until=later, rest_reason="blocked", rests_in_a_row=2, budget_share=0.5))
    save(HostState(host=ONE, rests_until=NOW, rest_reason="blocked", rests_in_a_row=1))
    save(HostState(host="www.gone.fr:443"))
    assert list_rows() == [
        f"{THREE} 1 6/min 100% 0 - - 2026-11-20 09:00:00Z: they wrote to us",
        f"{TWO} 1 6/min 50% 2 2026-11-20 09:05:00Z blocked -",
        f"{ONE} 2 60/min 100% 1 - - -",
        "www.gone.fr:443 0 - 100% 0 - - -",
    ]


@pytest.mark.usefixtures("_desks")
def test_the_table_shows_a_host_as_soon_as_it_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = scrapy(capsys, "hosts", "--stop", ONE, "--reason", "they wrote to us")
    assert "2026-11-20 09:00:00Z: they wrote to us" in out.splitlines()[1]


@pytest.mark.usefixtures("_desks")
@pytest.mark.rule("3.10")
@in_turn(
    "arguments, said",
    [
        (("--stop", "127.77.0.91", "--reason", "x"), f"did you mean {ONE}? those that exist: {ONE}, {TWO}"),
        (("--go", "nowhere"), f"no desk is on 'nowhere'; those that exist: {ONE}, {TWO}, {THREE}"),
        (("--stop", ONE), "--stop HOST and --reason TEXT go together"),
        (("--reason", "x"), "--stop HOST and --reason TEXT go together"),
        (("--stop", ONE, "--reason", " "), "say why"),
        (("--stop", ONE, "--reason", "x", "--go", ONE), "not both"),
        ((ONE,), f"'{ONE}' is no argument"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_moves(arguments: tuple[str, ...], said: str) -> None:
    assert said in str(command("hosts", *arguments))
    assert rows(HostState) == []


@in_turn(
    "arguments, said",
    [
        (("--prefecture", "bobigny"), "no prefecture 'bobigny'; did you mean bobigny_93"),
        (("--system", "x"), "no booking system 'x'"),
        (("bobigny_93",), "use --prefecture"),
    ],
)
def test_the_command_ends_with_the_words_and_no_traceback(arguments: tuple[str, ...], said: str) -> None:
    assert said in str(command("desks", *arguments))


def test_how_desks_stand_is_shown_with_their_intervals(
    database: str, capsys: pytest.CaptureFixture[str], frozen: object
) -> None:
    add_desk(
        "creteil_94/naturalisation",
        status=DeskStatus.ACTIVE,
        status_reason="watched: no slot is open",
        wished_seconds=30,
        share_seconds=61.4,
        feasible_seconds=61.4,
        achieved_seconds=63,
        last_check_at=clock(),
        whole_at=clock() - timedelta(seconds=5 * 61.4),
    )
    shown = {line.split()[0]: line.split() for line in listing(None, None, state=True).splitlines()}
    assert shown["DESK"][:5] == ["DESK", "STATUS", "WISHED", "FEASIBLE", "ACHIEVED"]
    known = next(words for name, words in shown.items() if name == "creteil_94/naturalisation")
    assert known[1:5] == ["ACTIVE", "30", "61", "63"]
    assert known[7] == "yes"
    assert " ".join(known[8:]) == "watched: no slot is open"
    assert any(" ".join(words).endswith("- not planned yet") for words in shown.values())


def test_why_a_desk_is_checked_or_is_not(settings_env: Callable[..., None]) -> None:
    lines = listing(None, "prefenligne", why=True).splitlines()
    assert lines[0].split() == ["DESK", "GRADE", "WATCH", "ROBOTS", "WHY"]
    said = {line.split()[0]: line for line in lines[1:]}
    assert "checked; " in said["bobigny_93/titre-sejour-remise"]
    assert said["agen_47/visite-medicale-permis"].endswith("its address is very old, or known to be dead")


def test_what_robots_say_of_hosts_is_listed_with_what_is_to_be_read_first(
    tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    rule = "{decision: %s, date: 2026-11-20, reason: read by an operator}"
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text(f"127.77.0.77:8800:\n  robots: {rule % 'allowed'}\n", encoding="utf-8")
    settings_env(PREFECTURES_DIR=PREFECTURES, HOSTS_FILE=hosts)
    first, second = [line.split() for line in listing(None, None, robots=True).splitlines()[1:]]
    assert first == ["127.77.0.93:8800", *first[1:]]
    assert first[2:5] == ["unread", "-", "http://127.77.0.93:8800/robots.txt"]
    assert second[:4] == ["127.77.0.77:8800", "1", "allowed", "2026-11-20"]
    assert " allowed 2026-11-20  checked" in listing("melun_77", None, why=True)
    assert " unread " in listing("bobigny_93", None, why=True)


SETTINGS = Settings({"COMMANDS_MODULE": "crawler.commands"})
OURS = {
    name: command
    for name, command in _get_commands_dict(SETTINGS, inproject=True).items()
    if type(command).__module__.startswith("crawler.")
}


@in_turn("name", OURS)
def test_its_first_line_names_its_arguments_or_nothing(name: str) -> None:
    assert re.fullmatch(r"[^\s].*|", OURS[name].syntax())


@pytest.fixture
def _two_desks(redis_server: redis.Redis, desk_files: Callable[..., dict[str, Desk]]) -> None:
    desk_files(naturalisation="127.77.0.91:8800", remise="127.77.0.92:8800")


def pushed(redis_server: redis.Redis) -> list[bytes | str]:
    return redis_server.lrange(due_queue.pushed("prefenligne"), 0, -1)


@pytest.mark.usefixtures("_two_desks")
def test_desks_are_pushed_in_the_order_named(
    redis_server: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("check", "evry_91/remise", "evry_91/naturalisation") == 0
    assert pushed(redis_server) == [b"evry_91/remise", b"evry_91/naturalisation"]
    assert capsys.readouterr().out == (
        "2 of prefenligne: due now; each is asked when its host may be asked again\n"
    )


@pytest.mark.usefixtures("_two_desks")
@pytest.mark.rule("3.10")
@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "name a desk"),
        (("evry_91/remise", "evry_91/naturalization"), "did you mean evry_91/naturalisation"),
        (("qqq",), "no desk 'qqq'; `scrapy desks` lists those that exist"),
    ],
)
def test_where_one_is_wrong_that_is_said_and_none_is_pushed(
    names: tuple[str, ...], said: str, redis_server: redis.Redis
) -> None:
    assert said in str(command("check", *names))
    assert pushed(redis_server) == []


@pytest.mark.usefixtures("_two_desks")
def test_a_desk_that_is_not_scheduled_says_why(
    redis_server: redis.Redis, desk_files: Callable[..., dict[str, Desk]]
) -> None:
    desk_files(grade="stale", remise="127.77.0.91:8800")
    assert "evry_91/remise is not scheduled: its address is very old, or known to be dead" in str(
        command("check", "evry_91/remise")
    )
    assert pushed(redis_server) == []
