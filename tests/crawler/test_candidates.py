"""Candidates: visited by the steps of a probe on hosts that files name, one of a host an hour, never once refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import redis
import time_machine

from api.admin.health.lateness import read_due
from api.models.base import session
from api.models.candidate import Candidate, CandidateSource, build_columns, build_replan
from api.models.desk import DeskState, HostState
from configs.ground.clock import clock
from configs.world.booking_address import parse_booking_address
from configs.world.desk import Outcome
from tests.crawler.checks import NOW
from tests.crawler.held import Held
from tests.crawler.planned_visits import SYSTEM, PlannedVisits
from tests.factories import change, get, rows, save
from tests.sample_desk_files import desk_entry, host_entry, prefecture_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_sandbox import Running

DESK = "evry-courcouronnes_91/naturalisation"
FORM = 23014  # of the stand-in


def pass_hour(visits: PlannedVisits) -> list[str]:
    """Let an hour pass, and make all visits that are due; return the candidates that were visited."""
    return [name for name in visits.visit(hours=1) if name.startswith("candidate/")]


@pytest.fixture
def files(sandbox: "Running", tmp_path: "Path", settings_env: Callable[..., None]) -> Callable[[str], None]:
    """Write the file of a host with one desk, and an operator's decision about the host."""

    def write(robots: str = "") -> None:
        site = f"{sandbox.site('91')}/booking/create/1"
        entry = desk_entry("naturalisation", site, NOW.date(), label="Naturalisation")
        host = host_entry(site.split("/")[2], 6, f"a stand-in{robots}")
        folder = tmp_path / "prefectures"
        folder.mkdir(exist_ok=True)
        (folder / "evry-courcouronnes_91.yaml").write_text(
            prefecture_file(tier=1, hosts=[host], desks=[entry])
        )
        settings_env(PREFECTURES_DIR=folder)

    write()
    return write


@pytest.fixture
def visits(
    files: object, held: Held, database: str, client: redis.Redis, frozen: time_machine.Traveller
) -> PlannedVisits:
    return PlannedVisits(held, client, frozen)


def add(url: str) -> UUID:
    address = parse_booking_address(url)
    assert address
    return save(
        Candidate(**build_columns(address, CandidateSource.PERSON, clock(), None), given_at=clock())
    ).id


def test_a_candidate_is_visited_and_shows_its_title_and_procedures(
    visits: PlannedVisits, sandbox: "Running"
) -> None:
    id_ = add(f"{sandbox.site('91')}/booking/create/{FORM}")
    asked = [name for _ in range(12) for name in pass_hour(visits)]
    assert asked == [f"candidate/{sandbox.site('91')}/booking/create/{FORM}"], "once a day"
    row = get(Candidate, id_)
    assert (row.visits, row.proofs, row.outcome) == (1, 1, Outcome.NO_SLOTS)
    assert row.title
    assert row.procedures
    assert DESK in {each.id for each in rows(DeskState)}
    assert not [each.id for each in rows(DeskState) if each.id.startswith("candidate")]


def test_a_host_has_five_open_candidates_and_one_visit_an_hour(
    visits: PlannedVisits, sandbox: "Running"
) -> None:
    for number in range(FORM, FORM + 7):
        add(f"{sandbox.site('91')}/booking/create/{number}")
    hours = []
    for _ in range(14):
        hours.append(pass_hour(visits))
        visits.now.shift(timedelta(minutes=2))  # the host's bucket is full again
        late = [each["overdue"] for each in read_due() if each["system"] == SYSTEM]
        # What the host's name chose may be due as well: its desk and its robots.txt.
        assert max(late) <= 3, "the other candidates, which the host's floor holds back, are not late"
    assert max(map(len, hours)) == 1
    assert len({name for each in hours for name in each}) == 5


def test_what_an_operator_refused_is_asked_no_more(visits: PlannedVisits, sandbox: "Running") -> None:
    id_ = add(f"{sandbox.site('91')}/booking/create/{FORM}")
    visits.planner.run_once(clock())
    change(Candidate, Candidate.id == id_, state="refused", decided_at=clock(), decision="no")
    with session() as s:
        s.add(build_replan(get(Candidate, id_), "an operator decided"))
    assert [name for _ in range(30) for name in pass_hour(visits)] == []


def test_a_host_that_is_stopped_undecided_or_named_nowhere_is_asked_nothing(
    visits: PlannedVisits, sandbox: "Running", files: Callable[[str], None]
) -> None:
    elsewhere = add("http://127.88.1.1:9/booking/create/1")
    known = add(f"{sandbox.site('91')}/booking/create/{FORM}")
    files("\n    robots: {decision: undecided, date: 2026-11-20, reason: nobody has looked}")
    assert [name for _ in range(8) for name in pass_hour(visits)] == []
    files("")
    host = get(Candidate, known).host
    with session() as s:
        s.merge(HostState(host=host, stopped_at=clock(), stop_reason="a test", updated_at=clock()))
    assert [name for _ in range(8) for name in pass_hour(visits)] == []
    assert {get(Candidate, each).visits for each in (elsewhere, known)} == {0}
