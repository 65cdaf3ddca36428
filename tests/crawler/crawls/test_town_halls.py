"""A department's town halls, watched in turn: by real visits to the stand-in, recorded as a spider records them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.desk import DeskState
from api.models.slot import Detection, SlotRow
from configs.ground.clock import clock
from configs.world.desk import Desk, Outcome
from configs.world.prefecture import desk, reload_desk_files
from crawler.fetching.request_budget import RequestBudget
from crawler.items import CheckItem
from crawler.planner import Planner
from crawler.recording import check_transaction, coverage_tracking
from crawler.recording.slot_expiry import close_unproven
from crawler.scheduling.rounds import proven_intervals
from tests.crawler.held import Held
from tests.factories import rows
from tests.sample_desk_files import prefecture_file

if TYPE_CHECKING:
    import redis

    from tests.running_sandbox import Running

ID = "evry_91/mairies"
ENTRY = """\
  - slug: mairies
    label: Mairies sur rendezvousonline.fr
    procedures: [CARTE_IDENTITE, PASSEPORT]
    platform: citopia
    url: {url}/
    parameters: {{department_code: "86", reason: both}}
    horizon: 27
    grade: unconfirmed
    source: test
    date: 2026-11-20
    interval: 60
"""
HALLS = (995103, 995105, 995106)
VISIT = 6  # requests: the session, the list, and a town hall's four weeks
INTERVAL = 60.0  # seconds between two visits


@pytest.fixture(autouse=True)
def watched(
    database: str, tmp_path: Path, sandbox: "Running", settings_env: Callable[..., None]
) -> Iterator[Desk]:
    folder = tmp_path / "prefectures"
    folder.mkdir()
    entry = ENTRY.format(url=sandbox.site("citopia"))
    text = prefecture_file(tier=2, hosts=[], desks=[entry], capital="Évry")
    (folder / "evry_91.yaml").write_text(text)
    settings_env(PREFECTURES_DIR=folder, HTTP_DEADLINE_SECONDS=20, VISIT_REQUESTS=VISIT)
    with session() as s:
        s.add(DeskState(id=ID, wished_seconds=30, share_seconds=INTERVAL, feasible_seconds=3 * INTERVAL))
    yield desk(ID)
    reload_desk_files()


def check(held: Held, turn: int, budget: RequestBudget | None = None) -> CheckItem:
    """Visit the department as the spider does on a real site, and record the check."""
    item = held.check(desk(ID), token=turn + 1, turn=turn, budget=budget)
    check_transaction.record_checks([replace(item, token=turn + 1)])
    return item


def state() -> DeskState:
    with session() as s:
        return s.get_one(DeskState, ID)


def list_open() -> set[str]:
    """Return the town halls with an open slot."""
    with session() as s:
        return set(s.scalars(sa.select(SlotRow.place_key).where(SlotRow.gone_at.is_(None))))


def key(hall: int) -> str:
    return f"poitiers-86000-{hall}"


def soon(days: int = 3) -> datetime:
    return (datetime.now(UTC) + timedelta(days=days)).replace(hour=9, minute=30, second=0, microsecond=0)


def is_proven() -> bool:
    row = state()
    counts = proven_intervals(desk(ID), len(row.coverage or ()))
    return coverage_tracking.is_proven(row.whole_at, INTERVAL, clock(), counts)


@pytest.mark.rule("3.2")
def test_a_department_is_proven_by_a_full_round_and_no_visit_covers_more_than_it_asked(held: Held) -> None:
    for turn, hall in enumerate(HALLS):
        assert not is_proven()
        item = check(held, turn)
        assert (item.outcome, item.requests) == (Outcome.NO_SLOTS, VISIT)
        assert {each.place_key for each in item.covered} == {key(hall)}
        assert set(item.places) == set(map(key, HALLS))
        assert state().status_reason.endswith("asked in turn") == (turn < 2)
    assert is_proven()


@pytest.mark.rule("3.3")
def test_a_town_halls_slot_outlives_the_visits_to_others_and_closes_when_its_week_is_covered(
    held: Held, sandbox: "Running"
) -> None:
    sandbox.open_slots("citopia", HALLS[0], at=[soon()])
    item = check(held, 0)
    assert (item.outcome, [slot.place.label for slot in item.slots]) == (
        Outcome.SLOTS,
        ["Mairie de Poitiers"],
    )
    link = f"{sandbox.site('citopia')}/alias/{key(HALLS[0])}"
    assert [(each.site, each.booking_url) for each in rows(Detection)] == [("Mairie de Poitiers", link)]
    sandbox.take_slots("citopia", HALLS[0])
    check(held, 1)
    check(held, 2)
    assert list_open() == {key(HALLS[0])}
    check(held, 3)
    assert list_open() == set()


@pytest.mark.rule("3.3")
def test_a_slot_of_one_town_hall_is_seen_while_another_fails(held: Held, sandbox: "Running") -> None:
    sandbox.mode("citopia", "overload_502", form=HALLS[0])
    sandbox.open_slots("citopia", HALLS[1], at=[soon()])
    failed = check(held, 0)
    assert (failed.outcome, failed.covered) == (Outcome.UNREACHABLE, ())
    assert check(held, 1).outcome is Outcome.SLOTS
    check(held, 2)
    check(held, 3)
    assert list_open() == {key(HALLS[1])}
    assert not is_proven()


def test_a_budget_that_ends_before_the_first_week_proves_nothing(held: Held) -> None:
    item = check(held, 0, RequestBudget(2))
    assert (item.outcome, item.covered) == (Outcome.OVERLOADED, ())


@pytest.mark.rule("3.3")
def test_a_town_hall_lapses_after_two_rounds(held: Held, sandbox: "Running") -> None:
    round_seconds = 800  # two of them are longer than the least time for which any slot lives
    with session() as s:
        s.get_one(DeskState, ID).feasible_seconds = round_seconds
    sandbox.open_slots("citopia", HALLS[0], at=[soon()])
    check(held, 0)
    for rounds, left in ((1.9, {key(HALLS[0])}), (2.1, set())):
        with session() as s:
            close_unproven(s, clock() + timedelta(seconds=rounds * round_seconds))
        assert list_open() == left


@pytest.mark.rule("4.2")
def test_what_is_feasible_is_a_full_round(held: Held, client: "redis.Redis") -> None:
    Planner(client).run_once(clock())
    assert state().feasible_seconds == pytest.approx(10 * INTERVAL), "ten town halls until they are known"
    for turn in range(3):
        check(held, turn)
    Planner(client).run_once(clock())
    assert state().feasible_seconds == pytest.approx(3 * INTERVAL)
