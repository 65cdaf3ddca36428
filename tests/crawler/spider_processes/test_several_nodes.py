"""Several keepers with one Redis: what each machine's scrapyd runs when nodes join, die, are cut off and come back."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import redis

from configs.desk import Desk
from configs.node_report import publish_drained, read_nodes
from configs.settings import settings
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
        self.version, self.browser = "v1", True
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


@pytest.fixture
def pair(world: World) -> tuple[Machine, Machine]:
    """Return two nodes that share the queues."""
    machines = world.add("a"), world.add("b")
    world.turn(10)
    assert [sum(each.counts.values()) for each in machines] == [2, 2]
    world.check_settled()
    world.unwatched.clear()
    return machines


def test_a_node_that_joins_takes_its_part_and_nothing_is_unwatched_meanwhile(world: World) -> None:
    first = world.add("a")
    world.turn(5)
    assert first.counts == world.wanted
    world.unwatched.clear()
    second = world.add("b")
    world.turn(10)
    assert [sum(each.counts.values()) for each in (first, second)] == [2, 2]
    world.check_settled()
    assert world.unwatched == []


def test_what_a_dead_machine_ran_runs_elsewhere_within_one_interval(
    world: World, pair: tuple[Machine, Machine]
) -> None:
    pair[0].kill()
    world.pass_time(22)
    assert pair[1].counts == world.wanted
    assert world.read_seen()["gone"] == ["a"]
    (gone,) = [each for each in read_nodes(world.redis, world.now) if each.name == "a"]
    assert gone.report is None
    assert world.now - gone.seen_at <= timedelta(seconds=24)
    world.check_settled()


def test_a_new_machine_takes_a_dead_ones_name_and_part(world: World, pair: tuple[Machine, Machine]) -> None:
    pair[1].kill()
    world.pass_time(22)
    assert world.read_seen()["gone"] == ["b"]
    new = world.add("b")
    world.turn(10)
    assert [sum(each.counts.values()) for each in (pair[0], new)] == [2, 2]
    assert "gone" not in world.read_seen()
    world.check_settled()


def test_the_leaders_machine_dies_and_another_leads(world: World, pair: tuple[Machine, Machine]) -> None:
    leader = next(each for each in pair if each.keeper._fleet._lease.held)
    (other,) = [each for each in pair if each is not leader]
    leader.kill()
    world.pass_time(22)
    assert other.keeper._fleet._lease.held
    assert other.counts == world.wanted


def test_a_keeper_that_restarts_costs_no_share(world: World, pair: tuple[Machine, Machine]) -> None:
    before, started = [each.counts for each in pair], [list(each.started) for each in pair]
    for machine in pair:
        machine.restart()
        world.turn(5)
    assert [each.counts for each in pair] == before
    assert [each.started for each in pair] == started


@pytest.mark.parametrize("seconds", [10, 100, 600])
@pytest.mark.parametrize("who", [0, 1])
def test_a_node_that_was_cut_off_comes_back_to_its_part(
    world: World, pair: tuple[Machine, Machine], seconds: int, who: int
) -> None:
    cut, other = pair[who], pair[1 - who]
    started = list(other.started)
    cut.cut()
    world.pass_time(seconds)
    assert (other.counts == world.wanted) == (seconds > 15)
    assert (other.started == started) == (seconds < 15)
    assert (
        sum(cut.counts.values()) >= 2
    )  # it ends nothing, and its spiders claim nothing without their leases
    world.unwatched.clear()
    cut.join_again()
    world.turn(15)
    assert [sum(each.counts.values()) for each in pair] == [2, 2]
    world.check_settled()
    assert world.unwatched == []
    assert sum(each.keeper._fleet._lease.held for each in pair) == 1


def test_a_node_that_comes_back_with_an_old_version_gets_nothing_until_it_runs_the_new(
    world: World, pair: tuple[Machine, Machine]
) -> None:
    old, new = pair
    old.cut()
    new.version = "v2"
    world.pass_time(100)
    new.restart()
    old.join_again()
    world.turn(15)
    assert (old.counts, new.counts) == ({}, world.wanted)
    world.check_settled()
    assert new.keeper._fleet._lease.held
    assert not old.keeper._fleet._lease.held
    old.version = "v2"
    old.restart()
    world.turn(15)
    assert [sum(each.counts.values()) for each in pair] == [2, 2]


def test_old_code_is_known_as_old_after_redis_was_emptied(
    world: World, pair: tuple[Machine, Machine]
) -> None:
    old, new = pair
    new.version = "v2"
    world.pass_time(40)
    assert (old.counts, new.counts) == ({}, world.wanted)
    world.redis.flushdb()
    world.turn(10)
    assert (old.counts, new.counts) == ({}, world.wanted)


def test_a_deploy_whose_spiders_do_not_start_takes_nothing_away(
    world: World, pair: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = pair
    before = old.counts
    new.version = "v2"
    known = {job for jobs in new.running.values() for job in jobs}
    speak = Machine.speak

    def speak_if_known(machine: Machine, at: datetime) -> None:
        if machine is old:
            speak(machine, at)
            return
        running = machine.running
        machine.running = {queue: [job for job in jobs if job in known] for queue, jobs in running.items()}
        speak(machine, at)
        machine.running = running

    monkeypatch.setattr(Machine, "speak", speak_if_known)
    world.pass_time(300)
    assert old.counts == before
    assert world.unwatched == []


def test_of_two_machines_with_one_name_one_waits_and_says_so(
    world: World, pair: tuple[Machine, Machine], caplog: pytest.LogCaptureFixture
) -> None:
    twin = Machine(world, "b")
    world.machines["b, too"] = twin
    world.turn(5)
    assert twin.started == []
    said = [text for text in caplog.messages if "another keeper" in text]
    assert said == [
        "another keeper has the lease of node b, this one waits: is NODE the same on two machines?"
    ]
    world.check_settled()


def test_an_emptied_redis_moves_nothing(world: World, pair: tuple[Machine, Machine]) -> None:
    started = [list(each.started) for each in pair]
    counts = [each.counts for each in pair]
    world.redis.flushdb()
    world.turn(10)
    assert [each.counts for each in pair] == counts
    assert [each.started for each in pair] == started


def test_a_machine_whose_clock_is_wrong_keeps_its_part(world: World, pair: tuple[Machine, Machine]) -> None:
    counts = [each.counts for each in pair]
    run = pair[1].keeper.run_once
    for wrong in (-3600, 3600):
        pair[1].keeper.run_once = lambda now, wrong=wrong: run(now + timedelta(seconds=wrong))  # type: ignore[method-assign,misc]
        world.turn(15)
        assert [each.counts for each in pair] == counts


def test_a_node_may_run_what_its_settings_say(world: World) -> None:
    some = world.add("a", NODE_SYSTEMS="custom,ants", NODE_PROCESSES="1")
    none = world.add("b", NODE_PROCESSES="0")
    rest = world.add("c", NODE_SYSTEMS="doctolib,prefenligne,custom")
    world.turn(10)
    assert some.counts == {"ants": 1}
    assert none.counts == {}
    assert rest.counts == {"custom": 1, "doctolib": 1, "prefenligne": 1}
    assert world.read_seen()["running"] == world.wanted
    assert "missing" not in world.read_seen()


def test_a_system_that_no_node_may_run_is_told_to_health(world: World) -> None:
    world.add("a", NODE_SYSTEMS="ants,custom,doctolib")
    world.add("b", NODE_SYSTEMS="ants")
    world.turn(10)
    seen = world.read_seen()
    assert seen["wanted"] == world.wanted
    assert seen["missing"] == {"prefenligne": 1}
    assert "prefenligne" not in seen["running"]


@pytest.mark.parametrize("lacks", ["browser", "permission"])
def test_desks_that_need_a_browser_go_to_nodes_that_have_one(world: World, lacks: str) -> None:
    world.wanted = dict.fromkeys([*QUEUES, BROWSER], 1)
    without = world.add("a", **({"NODE_BROWSER": "false"} if lacks == "permission" else {}))
    without.browser = lacks == "permission"
    with_one = world.add("b")
    world.turn(10)
    assert BROWSER not in without.counts
    assert with_one.counts[BROWSER] == 1
    with_one.kill()
    world.pass_time(30)
    assert BROWSER not in without.counts
    expected = (
        {"missing": {BROWSER: 1}} if lacks == "permission" else {}
    )  # without any browser such desks are not watched
    assert {name: found for name, found in world.read_seen().items() if name == "missing"} == expected


def test_a_scrapyd_that_stays_away_loses_its_part(world: World, pair: tuple[Machine, Machine]) -> None:
    pair[0].scrapyd_away, pair[0].running = True, {}
    world.pass_time(12)
    assert sum(pair[1].counts.values()) == 2
    world.pass_time(10)
    assert pair[1].counts == world.wanted
    assert world.read_seen()["away"] == ["a"]
    pair[0].scrapyd_away = False
    world.turn(15)
    assert "away" not in world.read_seen()
    assert [sum(each.counts.values()) for each in pair] == [2, 2]


def test_a_drained_node_ends_what_it_runs_once_others_run_it(
    world: World, pair: tuple[Machine, Machine]
) -> None:
    publish_drained(world.redis, ["a"])
    world.turn(10)
    assert [each.counts for each in pair] == [{}, world.wanted]
    world.check_settled()
    assert world.unwatched == []
    pair[0].kill()
    world.pass_time(60)
    assert "gone" not in world.read_seen()
    publish_drained(world.redis, [])
    world.pass_time(10)
    assert world.read_seen()["gone"] == ["a"]


def test_the_only_node_obeys_a_drain(world: World) -> None:
    only = world.add("main")
    world.turn(5)
    publish_drained(world.redis, ["main"])
    world.turn(5)
    assert only.counts == {}
    assert world.read_seen()["missing"] == world.wanted


def test_the_default_node_uses_the_lease_of_one_keeper(world: World) -> None:
    world.add("main")
    world.turn()
    assert sorted(world.redis.keys("lease:*")) == [b"lease:keeper", b"lease:leader"]
    assert settings().node == "main"
