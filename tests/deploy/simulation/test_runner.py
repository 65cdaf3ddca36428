"""A played world: what the sites counted is what the product recorded, and nothing is played where it could harm."""

from collections.abc import Callable, Iterator

import pytest
import redis
import sqlalchemy as sa

from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState
from configs.outcome import Outcome
from configs.settings import settings
from deploy.simulation import runner as module
from deploy.simulation.metrics import figures
from deploy.simulation.runner import Course, NotHere, Played, TooSlow, play
from deploy.simulation.world import START, Scenario

QUARTER = 0.25
SMALL = Scenario(desks=6, hosts=3, hours=QUARTER, pattern="often")

pytestmark = [pytest.mark.usefixtures("database", "redis_server"), pytest.mark.timeout(400)]


def test_a_course_is_recorded_has_every_figure_and_is_the_same_again(redis_server: redis.Redis) -> None:
    played = course()
    recorded_what_the_sites_counted(played)
    every_figure_is_there(played)
    assert played.took > 0
    first = read_checks()
    assert "rdv-simulation" not in str(settings().prefectures_dir), "the desk files are left"
    with session() as rows:
        rows.execute(sa.text("SET LOCAL session_replication_role = replica"))  # a rule keeps rows of payments
        for table in ("checks", "desks", "users"):
            rows.execute(sa.text(f"TRUNCATE {table} CASCADE"))
    redis_server.flushdb()
    course()
    assert read_checks() == first


def course() -> Played:
    return play(SMALL.world(), Course(QUARTER, spiders=2, look=30))


def read_checks() -> list[tuple[object, ...]]:
    columns = (Check.desk_id, Check.started_at, Check.token, Check.outcome, Check.requests, Check.slots_seen)
    with session() as rows:
        return [tuple(row) for row in rows.execute(sa.select(*columns).order_by(*columns))]


def recorded_what_the_sites_counted(played: Played) -> None:
    asked = sum(site.asked for site in played.world.sites.values())
    with session() as rows:
        recorded = rows.scalar(sa.select(sa.func.sum(Check.requests))) or 0
        outcomes = set(rows.scalars(sa.select(Check.outcome).distinct()))
        times = rows.execute(sa.select(sa.func.min(Check.started_at), sa.func.max(Check.started_at))).one()
    assert 0 <= asked - recorded <= 7 * len(played.world.sites)  # what the end broke off
    assert outcomes == {Outcome.SLOTS, Outcome.NO_SLOTS}
    assert times[0] >= START
    assert 0.9 * QUARTER * 3600 < (times[1] - START).total_seconds() <= QUARTER * 3600


def every_figure_is_there(played: Played) -> None:
    found = figures(played)
    desks = {row["host has"]: row["desks"] for row in found["intervals"]}
    assert sum(desks.values()) == SMALL.desks
    assert sum(row["desks"] for row in found["delays"]) == SMALL.desks
    assert 0 < sum(row["seen"] for row in found["delays"]) <= sum(row["releases"] for row in found["delays"])
    assert found["hosts"]["requests"] == sum(site.asked for site in played.world.sites.values())
    assert found["hosts"]["refused"] == found["bans"]["bans"] == 0
    assert found["lateness"]["claims"] >= sum(row["checks"] for row in found["intervals"])
    assert 0 < found["CPU seconds"]["this process"] < found["real seconds"] + 1


def test_nothing_is_played_where_desks_are() -> None:
    with session() as rows:
        rows.add(DeskState(id="evry-courcouronnes_91/one"))
    with pytest.raises(NotHere, match="give the simulation an empty one"):
        play(SMALL.world(), Course(QUARTER))


def test_nothing_is_played_outside_a_sandbox(settings_env: Callable[..., None]) -> None:
    settings_env(APP_ENV="development")
    with pytest.raises(NotHere, match="sandbox or test only"):
        play(SMALL.world(), Course(QUARTER))


def test_a_machine_that_is_slower_than_the_time_it_plays_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "monotonic", _every_look_a_minute().__next__)
    with pytest.raises(TooSlow, match="longer than a real one"):
        play(SMALL.world(), Course(QUARTER))


def _every_look_a_minute() -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += 61
