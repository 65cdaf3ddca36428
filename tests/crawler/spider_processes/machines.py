"""Machines whose keepers share a Redis: frozen clock, scrapyds that a test controls."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import redis

from configs.desk import Desk
from crawler import keeper
from crawler.keeper import SEEN, Keeper
from crawler.scheduling import due_queue
from crawler.scheduling.queues import CrawlQueue
from crawler.spider_processes import node, registry
from crawler.spider_processes.registry import SpiderProcess
from crawler.spider_processes.scrapyd_client import Jobs, Scrapyd, ScrapydAway

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
QUEUES = ["ants", "custom", "doctolib", "prefenligne"]
BROWSER = "custom-browser"
_CALLS = ("execute_command", "pipeline", "register_script")


class Machine:
    """A scrapyd whose spiders serve from the turn after their start, and its keeper."""

    keeper: Keeper

    def __init__(self, world: "World", name: str, **variables: Any) -> None:
        self.world, self.name = world, name
        self.variables = {
            "NODE": name,
            "NODE_SYSTEMS": "",
            "NODE_BROWSER": "true",
            "NODE_PROCESSES": "",
        } | variables
        self.version, self.browser, self.load = "v1", True, 0.5
        self.started: list[str] = []
        self.running: dict[str, list[str]] = {}
        self.finished: list[str] = []
        self.dead = self.is_cut = self.scrapyd_away = self.broken = False
        self.client = world.connect()
        self.restart()

    def restart(self) -> None:
        """End the keeper as a supervisor does, and start a new one."""
        self.world.enter(self)
        if hasattr(self, "keeper"):
            self.keeper._lease.leave()
            self.keeper._fleet.leave()
        self.keeper = Keeper(cast("Scrapyd", self), self.client)

    def jobs(self) -> Jobs:
        if self.scrapyd_away:
            raise ScrapydAway("scrapyd does not answer")
        return Jobs(
            {queue: list(jobs) for queue, jobs in self.running.items() if jobs}, frozenset(self.finished)
        )

    def schedule(self, queue: CrawlQueue) -> str:
        job = f"{self.name}-{len(self.started)}"
        self.started.append(job)
        self.running.setdefault(str(queue), []).append(job)
        return job

    def cancel(self, job: str, *, kill: bool = False) -> None:
        del kill
        for jobs in self.running.values():
            if job in jobs:
                jobs.remove(job)
                self.finished.append(job)
        self.world.redis.delete(f"process:{job}")

    def cut(self) -> None:
        """Cut the machine off from Redis."""
        self.is_cut = True
        for name in _CALLS:
            setattr(self.client, name, _refuse)

    def join_again(self) -> None:
        """Let it reach Redis again."""
        self.is_cut = False
        for name in _CALLS:
            delattr(self.client, name)

    def kill(self) -> None:
        """Let the machine die with all that it runs."""
        self.dead, self.running = True, {}

    @property
    def counts(self) -> dict[str, int]:
        """How many spiders of each queue run here."""
        return {queue: len(jobs) for queue, jobs in sorted(self.running.items()) if jobs}

    def speak(self, at: datetime) -> None:
        """Have each spider renew its registry entry."""
        for queue, jobs in self.running.items():
            for job in jobs:
                said = SpiderProcess(job, queue, job, 7, "serving", job, at, self.version, 100, 0, 0)
                told: Any = asdict(said) | {"started": at.isoformat()}
                self.world.redis.hset(f"process:{job}", mapping=told)
                self.world.redis.sadd(registry.NAMES, job)

    @property
    def holders(self) -> list[str]:
        """The values of its keeper's leases."""
        return [self.keeper._lease._holder, self.keeper._fleet._lease._holder]


def _refuse(*_: object, **__: object) -> None:
    raise redis.ConnectionError("cut off")


class World:
    """Machines that take turns of two seconds of a frozen clock; what is silent for 15 s expires in Redis."""

    def __init__(self, server: redis.Redis, variables: Callable[..., None]) -> None:
        self.redis, self._variables = server, variables
        self.now = NOW
        self.machines: dict[str, Machine] = {}
        self.wanted = dict.fromkeys(QUEUES, 1)
        self._clients: list[redis.Redis] = []
        self._silent_since: dict[str, datetime] = {}
        self.unwatched: list[tuple[datetime, str]] = []

    def connect(self) -> redis.Redis:
        self._clients.append(due_queue.connect())
        return self._clients[-1]

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def add(self, name: str, **variables: Any) -> Machine:
        self.machines[name] = Machine(self, name, **variables)
        return self.machines[name]

    def enter(self, machine: Machine) -> None:
        self._variables(**machine.variables)
        self.current = machine

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += timedelta(seconds=2)
            for machine in self.machines.values():
                self._turn(machine)
            self._note_unwatched()

    def pass_time(self, seconds: float) -> None:
        self.turn(round(seconds / 2))

    def _turn(self, machine: Machine) -> None:
        silent = machine.dead or machine.is_cut
        since = self._silent_since.setdefault(machine.name, self.now) if silent else None
        if since is None:
            self._silent_since.pop(machine.name, None)
            machine.speak(self.now)
        elif self.now - since >= timedelta(seconds=15):
            self._expire(machine)
        if not machine.dead:
            self.enter(machine)
            machine.keeper.run_once(self.now)

    def _expire(self, machine: Machine) -> None:
        self.redis.delete(f"node:{machine.name}")
        for key in self.redis.keys("lease:*"):
            if self.redis.get(key) in [holder.encode() for holder in machine.holders]:
                self.redis.delete(key)
        for key in self.redis.keys(f"process:{machine.name}-*"):
            self.redis.delete(key)

    def _note_unwatched(self) -> None:
        """Note the queues that no spider serves that has been up since the turn before."""
        for queue in self.wanted:
            if not any(
                self.redis.exists(f"process:{job}")
                for machine in self.machines.values()
                for job in machine.running.get(queue, ())
            ):
                self.unwatched.append((self.now, queue))

    @property
    def counts(self) -> Counter[str]:
        """How many spiders of each queue run on all machines that are reached."""
        reached = [each for each in self.machines.values() if not each.is_cut and not each.dead]
        return sum((Counter(each.counts) for each in reached), Counter())

    def check_settled(self) -> None:
        """Each queue runs once, and a further minute starts and ends nothing."""
        started = {name: list(each.started) for name, each in self.machines.items() if not each.is_cut}
        running = {name: each.counts for name, each in self.machines.items() if not each.is_cut}
        assert self.counts == self.wanted
        self.pass_time(60)
        assert {name: each.started for name, each in self.machines.items() if not each.is_cut} == started
        assert {name: each.counts for name, each in self.machines.items() if not each.is_cut} == running

    def read_seen(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.redis.get(SEEN) or "{}")
        return found


@pytest.fixture
def world(
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
    desk_files: Callable[..., dict[str, Desk]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    desk_files(grade="stale", a="127.77.0.91:8800")  # nothing but what the world wants
    made = World(redis_server, settings_env)
    for name in ("code_version", "release_version"):
        monkeypatch.setattr(keeper, name, lambda: made.current.version)
    monkeypatch.setattr(
        node, "missing_browser", lambda: None if made.current.browser else "none is installed"
    )

    def wanted() -> dict[str, int]:
        browser = made.current.browser
        return {queue: number for queue, number in made.wanted.items() if browser or queue != BROWSER}

    monkeypatch.setattr(keeper, "wanted_processes", wanted)
    yield made
    made.close()
