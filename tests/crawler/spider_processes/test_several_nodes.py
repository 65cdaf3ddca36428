"""Several keepers with one Redis: what each machine's scrapyd runs when nodes join, die, are cut off and come back."""

from datetime import datetime, timedelta

import pytest

from configs.node_report import publish_drained, read_nodes
from configs.settings import settings
from tests.crawler.spider_processes.machines import BROWSER, QUEUES, Machine, World
from tests.samples import try_first


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


@pytest.mark.parametrize("seconds", try_first([10, 100, 600], 2))
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
