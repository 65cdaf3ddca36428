"""The recorded ban: what the shipped budgets survive, played by the product's own planner, queue and records."""

import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.check import Check
from configs.outcome import Outcome
from deploy.simulation.rate_limit_rules import Rule
from deploy.simulation.replay import (
    MUST,
    RECORDED,
    SHAPES,
    Rung,
    Survival,
    rungs,
    strictest,
    survivals,
    survived,
    world,
)
from deploy.simulation.runner import Course, play

ROOT = Path(__file__).parents[3]
RECORDINGS = Path(os.environ.get("RECORDINGS") or ROOT.parent / "shared" / "booking-systems" / "fixtures")
LOG = RECORDINGS / "prefenligne" / "ezbooking" / "evidence_rate_limit_seine-saint-denis_13303.tsv"
HOURS = 0.5

pytestmark = pytest.mark.timeout(400)  # a busy machine plays slowly; what it plays stays the same


def replayed(
    stand_ins: list[Rung], hours: float = HOURS, budget: int | None = None, **course: Any
) -> list[Survival]:
    played = play(
        world(stand_ins, hours, budget=budget), Course(hours, **{"spiders": 2, "look": 30} | course)
    )
    return survivals(stand_ins, played)


@pytest.mark.journey
@pytest.mark.rule("3.9")
@pytest.mark.usefixtures("database", "redis_server")
def test_the_shipped_budgets_survive_what_they_must() -> None:
    found = replayed(rungs([MUST]))
    assert survived(found, str(MUST))
    assert survived(found, "the log's own pattern")
    assert all(each.asked > 5 * 60 * HOURS * 0.9 for each in found), "they survived by not asking"
    with session() as rows:
        outcomes = set(rows.scalars(sa.select(Check.outcome).distinct()))
    assert outcomes <= {Outcome.SLOTS, Outcome.NO_SLOTS}


@pytest.mark.rule("3.9")
@pytest.mark.usefixtures("database", "redis_server")
def test_a_budget_that_is_too_high_is_banned() -> None:
    several = [
        Rung((MUST,), shape) for shape in SHAPES if shape.desks > 1
    ]  # one keeps its own gap, whatever it may
    found = replayed(several, hours=0.25, budget=30)
    assert all(each.bans for each in found)
    assert not survived(found, str(MUST))


@pytest.mark.journey
@pytest.mark.usefixtures("database", "redis_server")
def test_an_emptied_redis_brings_no_ban() -> None:
    several = [Rung((MUST,), shape) for shape in SHAPES if shape.desks > 1]
    found = replayed(several, hours=HOURS / 2, look=3, empty_redis_at=45 / 3600)
    assert survived(found, str(MUST))
    assert all(each.asked > 60 * HOURS for each in found), "they survived by not asking"


@pytest.mark.recordings
def test_the_rules_of_the_recorded_site_are_those_of_its_log() -> None:
    if not LOG.exists():
        pytest.skip(f"no recorded log at {LOG}: set RECORDINGS")
    assert patterns(LOG) == RECORDED


def patterns(log: Path) -> tuple[Rule, ...]:
    """Return, for each refusal after checks in quick succession, how many within how many seconds were too many."""
    found, run = [], list[datetime]()
    for line in log.read_text("utf-8").splitlines():
        cells = line.split("\t")
        at = datetime.fromisoformat(next(cell for cell in cells if cell[:2] == "20"))
        if run and (at - run[-1]).total_seconds() > 60:
            run.clear()
        run.append(at)
        if "blocked" in cells:
            if len(run) > 3:
                found.append(Rule(len(run), (at - run[0]).total_seconds() + 1, counts="visits"))
            run.clear()
    return tuple(found)


def test_the_strictest_is_the_last_before_the_first_that_bans() -> None:
    bans = {15: 0, 12: 0, 9: 1, 8: 0}
    rows = [Survival(Rung((Rule(count, 60),), SHAPES[0]), times, 1, 1, 1) for count, times in bans.items()]
    assert strictest(rows) == Rule(12, 60)
    assert strictest([replace(row, bans=1) for row in rows]) is None
