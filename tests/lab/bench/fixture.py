"""Fixture of a measurement: a page server and the desks on it, the servers, a planner and spiders."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from deploy.local.processes import free_port, wait_until
from tests.lab.bench.pages import address, first_page
from tests.lab.bench.servers import Servers, Settings, child, servers
from tests.sample_desk_files import DEPARTMENT, PREFECTURE, desk_entry, host_entry, prefecture_file

_DAY = date(2026, 11, 20)


@dataclass(frozen=True)
class BenchFixture:
    """What is watched: so many desks, dealt out to so many hosts (the last `hanging` never answer), how often."""

    hosts: int
    desks: int
    interval: int = 1  # seconds
    hanging: int = 0

    def names(self, port: int) -> dict[str, str]:
        """Return the desks' ids by their addresses."""
        return {first_page(n, self.hosts, port): f"{PREFECTURE}/{_slug(n)}" for n in range(self.desks)}

    def write(self, folder: Path, port: int) -> None:
        """Write all of it as one prefecture."""
        folder.mkdir(parents=True, exist_ok=True)
        text = prefecture_file(tier=1, hosts=self._hosts(port), desks=self._desks(port))
        (folder / f"{PREFECTURE}.yaml").write_text(text, "utf-8")

    def beside(self, text: str, port: int) -> str:
        """Return a desk file's text with these hosts and desks in it, where it is the prefecture that they are of."""
        if DEPARTMENT not in text:
            return text
        for section, entries in (("hosts", self._hosts(port)), ("desks", self._desks(port))):
            text = text.replace(f"\n{section}:\n", f"\n{section}:\n{''.join(entries)}")
        return text

    def _hosts(self, port: int) -> list[str]:
        reason = "a page server made for measuring"
        return [host_entry(f"{address(n)}:{port}", 60_000, reason) for n in range(self.hosts)]

    def _desks(self, port: int) -> list[str]:
        return [
            desk_entry(_slug(n), first_page(n, self.hosts, port), _DAY, interval=self.interval)
            for n in range(self.desks)
        ]


def _slug(number: int) -> str:
    return f"bench-{number}"


@dataclass
class BenchStack(Servers):
    """Running servers, and a page server on a port of its own that is watched."""

    world: BenchFixture
    port: int


@contextmanager
def ground(world: BenchFixture, places: int = 64, **more: str) -> Iterator[BenchStack]:
    """Start everything but the spiders, and end it with the block. `more` are settings."""
    port = free_port()

    def settings(state: Path) -> Settings:
        world.write(state / "desks", port)
        return {
            "PREFECTURES_DIR": str(state / "desks"),
            "SPIDER_PLACES": str(places),
            "HEARTBEAT_SECONDS": str(world.interval),
            **more,
        }

    with servers(settings) as made, page_server(world, port, made.state / "pages.log"), made.planner():
        ground = BenchStack(made.state, made.environment, made.ports, world, port)
        try:
            yield ground
        finally:
            ground.engine.dispose()


@contextmanager
def page_server(world: BenchFixture, port: int, log: Path) -> Iterator[None]:
    """Run a page server for a world."""
    command = [sys.executable, "-m", "tests.lab.bench.pages", *map(str, (world.hosts, world.hanging, port))]
    with child(command, log, dict(os.environ)) as process:
        wait_until(lambda: "ready" in log.read_text(), log, what="the page server", process=process)
        yield
