"""A spider whose database or Redis goes away and comes back: it says so in a line, without a traceback, and goes on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from api.models.base import engine
from deploy.local.postgres import Postgres, start_postgres
from deploy.local.valkey import Valkey, start_valkey
from tests.conftest import _migrate, forget
from tests.crawler.house import House, a_house, checks
from tests.waiting import until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = [pytest.mark.journey, pytest.mark.processes, pytest.mark.timeout(1200)]


@dataclass
class Servers:
    """A PostgreSQL and a Redis of the test's own."""

    folder: Path
    postgres: Postgres
    valkey: Valkey

    def restart_postgres(self) -> None:
        self.postgres = start_postgres(self.folder / "postgres", port=self.postgres.port, durable=False)

    def restart_valkey(self) -> None:
        self.valkey = start_valkey(self.folder / "valkey", port=self.valkey.port, durable=False)


@pytest.fixture
def servers(tmp_path: Path, settings_env: Callable[..., None]) -> Iterator[Servers]:
    postgres = start_postgres(tmp_path / "postgres", durable=False)
    made = Servers(tmp_path, postgres, start_valkey(tmp_path / "valkey", durable=False))
    postgres.create("rdv")
    _migrate(postgres.url("rdv"))
    settings_env(DATABASE_URL=postgres.url("rdv"), REDIS_URL=made.valkey.url(0))
    yield made
    forget()
    made.postgres.stop()
    made.valkey.stop()


@pytest.fixture
def house(
    servers: Servers, sandbox: "Running", tmp_path: Path, settings_env: Callable[..., None]
) -> Iterator[House]:
    with a_house(tmp_path, sandbox, settings_env, STATE_DIR=tmp_path / "state") as made:
        yield made


def go_on() -> None:
    """Wait for checks that begin from now on."""
    count = len(checks())
    until(lambda: len(checks()) > count + 10)


@pytest.mark.rule("3.5")
def test_servers_that_go_and_come_back_are_said_and_not_traced(house: House, servers: Servers) -> None:
    house.open("planner", "spider")
    go_on()
    servers.postgres.stop()
    until(lambda: "the database is in trouble" in house.log("spider"))
    servers.restart_postgres()
    engine().dispose()  # ours, whose connections ended with the server
    go_on()
    servers.valkey.stop()
    until(lambda: "Redis is away" in house.log("spider"))
    servers.restart_valkey()
    go_on()
    assert "Traceback" not in house.log("spider")
