from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine

from api.models.desk import HostState
from configs.world.desk import Desk
from crawler.cli.state_tables import host_table
from crawler.hosts import kill_switch
from tests.crawler.commanded import command, scrapy
from tests.factories import rows, save
from tests.in_turn import in_turn

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
ONE, TWO, THREE = "127.77.0.91:8800", "127.77.0.92:8800", "127.77.0.93:8800"
pytestmark = pytest.mark.usefixtures("_desks")


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
        (("--stop", ONE, "--reason", " "), "say why"),
        (("--stop", ONE, "--reason", "x", "--go", ONE), "not both"),
        ((ONE,), f"'{ONE}' is no argument"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_moves(arguments: tuple[str, ...], said: str) -> None:
    assert said in str(command("hosts", *arguments))
    assert rows(HostState) == []
