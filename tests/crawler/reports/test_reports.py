"""The loop of reports: what waits in the table becomes slots and detections, and nothing else."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
import time_machine

from api.models.alert import AlertTarget
from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState, Outage, Source
from api.models.report import NetworkSalt, Report, Reporter, ReportState, Vouch, read_trust
from api.models.slot import Detection, DetectionSlot, GoneReason, SlotRow
from api.models.user import Role
from configs.ground.clock import clock
from configs.programs.part_failures import PartFailures
from crawler.reports.loop import ReportLoop
from tests.api.world import PREFECTURES
from tests.factories import (
    BOBIGNY,
    PEOPLE_S,
    add_alert,
    add_checks,
    add_desk,
    add_match,
    add_report,
    add_user,
    give_role,
    one,
    remove,
    rows,
    save,
    see,
)

pytestmark = pytest.mark.usefixtures("database", "frozen")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def loop(redis_server: redis.Redis, settings_env: Callable[..., None]) -> ReportLoop:
    """Give the loop, at a desk that the planner knows."""
    settings_env(PREFECTURES_DIR=PREFECTURES)
    add_desk(PEOPLE_S)
    return ReportLoop(redis_server, PartFailures())


def people(number: int = 2) -> list[UUID]:
    """Return accounts that are two days old and older."""
    return [add_user(created_at=clock() - (2 + each) * timedelta(days=1)).id for each in range(number)]


def told(loop: ReportLoop) -> list[bool]:
    """Run the loop; return of each new detection whether it is in doubt."""
    before = {each.id for each in rows(Detection)}
    loop.run_once()
    return [each.in_doubt for each in rows(Detection) if each.id not in before]


def test_what_one_saw_is_in_doubt_until_an_unrelated_one_saw_it_too(loop: ReportLoop) -> None:
    one_of, other = people()
    add_report(one_of, days=[date(2026, 12, 1)])
    assert told(loop) == [True]
    add_report(other)
    assert told(loop) == [False]
    slot = one(SlotRow)
    assert (slot.source, slot.in_doubt, slot.moment) == (Source.REPORT, False, "2026-12-01")
    assert {each.state for each in rows(Report)} == {ReportState.COUNTED}
    assert len({each.opening_id for each in rows(Report)}) == 1
    assert [rows(Check), rows(Outage)] == [[], []]
    assert one(DeskState).last_slot_at is None


def test_days_that_are_ticked_take_the_place_of_an_unknown_one_and_narrow_one_opening(
    loop: ReportLoop,
) -> None:
    one_of, other = people()
    add_report(one_of)
    assert told(loop) == [True]
    add_report(one_of, days=[date(2026, 12, 1), date(2026, 12, 2)])
    assert told(loop) == [True]
    add_report(one_of, days=[date(2026, 12, 3)])
    assert told(loop) == [True]
    add_report(other)
    assert told(loop) == [False]
    open_now = rows(SlotRow, SlotRow.gone_at.is_(None))
    assert [each.moment for each in open_now] == ["2026-12-01", "2026-12-02", "2026-12-03"]
    assert len(rows(DetectionSlot, DetectionSlot.detection_id == rows(Detection)[-1].id)) == 3
    assert {each.opening_id for each in rows(Detection)} == {rows(Report)[0].id}


def test_what_nobody_sees_any_more_lapses_and_is_the_same_for_two_hours(
    loop: ReportLoop, frozen: time_machine.Traveller
) -> None:
    one_of, other = people()
    for each in (one_of, other):
        add_report(each)
    assert told(loop) == [True, False]
    add_report(one_of, "none")
    add_report(other, "none")
    assert told(loop) == []
    frozen.shift(11 * MINUTE)
    loop.run_once()
    slot = one(SlotRow)
    assert slot.gone_reason is GoneReason.LAPSED
    frozen.shift(15 * MINUTE)
    remove(Report, Report.kind == "none")  # as if nobody had denied it
    add_report(one_of)
    assert told(loop) == [True]
    back = one(SlotRow)
    assert (back.id, back.gone_at, back.in_doubt) == (slot.id, None, True)


def test_who_is_alone_neither_holds_what_is_sure_nor_adds_days_to_it(
    loop: ReportLoop, frozen: time_machine.Traveller
) -> None:
    one_of, other = people()
    for each in (one_of, other):
        add_report(each, days=[date(2026, 12, 1)])
    assert told(loop) == [True, False]
    for minutes in (1, 8):
        frozen.shift(minutes * MINUTE)
        add_report(one_of, days=[date(2026, 12, minutes + 1)])
        assert told(loop) == []
    frozen.shift(2 * MINUTE)
    loop.run_once()
    assert one(SlotRow).gone_reason is GoneReason.LAPSED


def test_two_unrelated_people_end_what_is_in_doubt(loop: ReportLoop) -> None:
    one_of, other, third, fourth = people(4)
    add_report(one_of)
    assert told(loop) == [True]
    add_report(other, "none")
    add_report(fourth, "none", via="answer")  # who is late denies nothing
    add_report(third, "none", opened_at=None)  # counts for nothing
    assert told(loop) == []
    assert one(SlotRow).gone_at is None
    add_report(third, "none")
    assert told(loop) == []
    assert one(SlotRow).gone_reason is GoneReason.TAKEN
    add_report(one_of)
    assert told(loop) == []
    add_report(fourth)
    assert told(loop) == [False]
    assert len(rows(SlotRow)) == 2


def test_a_press_of_a_clock_that_is_ahead_ends_no_opening(loop: ReportLoop) -> None:
    one_of, other = people()
    add_report(one_of)
    assert told(loop) == [True]
    add_report(other, seen_at=clock() + 11 * MINUTE)
    assert told(loop) == [False]
    slot = one(SlotRow)
    assert (slot.gone_at, slot.in_doubt, slot.seen_at) == (None, False, clock())


COUNTS_FOR_NOTHING: list[dict[str, Any]] = [
    {"kind": "unseen"},
    {"via": "answer"},
    {"seen_at": timedelta(minutes=-11)},
    {"desk_id": BOBIGNY},
    {"ended": True},
]


@pytest.mark.parametrize("report", COUNTS_FOR_NOTHING, ids=str)
def test_what_counts_for_nothing_opens_nothing(loop: ReportLoop, report: dict[str, Any]) -> None:
    (who,) = people(1)
    add_desk(BOBIGNY)
    if report.pop("ended", False):
        save(Reporter(user_id=who, ended_at=clock(), ended_because="liar"))
    if "seen_at" in report:
        report = report | {"seen_at": clock() + report["seen_at"]}
    add_report(who, **report)
    assert told(loop) == []
    assert rows(SlotRow) == []
    kept = ReportState.KEPT if report.get("desk_id") else ReportState.IDLE
    assert one(Report).state is kept


def test_three_days_of_looks_that_others_vouch_for_make_a_person_trusted(
    loop: ReportLoop, frozen: time_machine.Traveller
) -> None:
    who, operator = people()
    give_role(operator, Role.ADMIN)
    add_desk(BOBIGNY)
    for day in range(3):
        add_report(who, desk_id=PEOPLE_S if day else BOBIGNY)
        if day:
            add_report(operator)
        else:
            see("2026-12-01", desk_id=BOBIGNY)
        told(loop)
        frozen.shift(timedelta(days=1))
    vouched = sorted(rows(Vouch, Vouch.user_id == who), key=lambda each: each.vouched_on)
    assert [each.voucher_id for each in vouched] == [None, operator, operator]
    add_report(who)
    assert told(loop) == [False]
    frozen.shift(timedelta(days=61))
    add_report(who)
    assert told(loop) == [True]


def test_looks_where_a_script_can_read_earn_no_trust_and_those_that_checks_disprove_take_it(
    loop: ReportLoop, frozen: time_machine.Traveller
) -> None:
    script, honest, operator = people(3)
    give_role(operator, Role.ADMIN)
    add_desk(BOBIGNY)
    for day in range(4):
        see(f"2026-12-0{day + 1}", desk_id=BOBIGNY)
        add_report(script, desk_id=BOBIGNY)
        for each in (operator, honest):
            add_report(each)
        told(loop)
        frozen.shift(timedelta(days=1))
    assert (trusts(script), trusts(honest)) == (False, True)
    for _ in range(2):
        add_checks(BOBIGNY, clock() - MINUTE, [0, 2])
        add_report(honest, desk_id=BOBIGNY)
        frozen.shift(2 * MINUTE)
        told(loop)
        frozen.shift(timedelta(hours=4))
    assert not trusts(honest), "two right of the newest four"
    judged = [each.kind.value for each in rows(Vouch, Vouch.user_id == honest)]
    assert sorted(judged) == ["disproved"] * 2 + ["shared"] * 4


def trusts(who: UUID) -> bool:
    with session() as s:
        return read_trust(s, [who])[who].is_trusted


def test_who_carried_to_all_what_two_denied_is_no_witness_for_a_week(
    loop: ReportLoop, frozen: time_machine.Traveller
) -> None:
    *pair, first, second, third, fourth = people(6)
    for each in pair:
        add_report(each)
    assert told(loop) == [True, False]
    frozen.shift(MINUTE)
    for each in (first, second):
        add_report(each, "none")
    frozen.shift(2 * MINUTE)
    told(loop)
    for hours, heard in ((3, []), (6 * 24, []), (2 * 24, [True, False])):
        frozen.shift(timedelta(hours=hours))
        remove(Report, Report.kind == "none")
        pair = [third, fourth] if heard else pair
        for each in pair:
            add_report(each)
        assert told(loop) == heard
    assert {each.kind.value for each in rows(Vouch)} == {"denied"}


def test_a_trusted_person_alone_whom_five_told_people_denied_one_by_one_is_denied_widely(
    loop: ReportLoop, frozen: time_machine.Traveller
) -> None:
    who, operator, *deniers = people(7)
    for number in range(3):
        vouched_on = clock().date() - timedelta(days=number + 1)
        save(Vouch(user_id=who, voucher_id=operator, vouched_on=vouched_on))
    add_report(who)
    assert told(loop) == [False]
    (slot,) = rows(SlotRow)
    for number, each in enumerate(deniers):
        alert = add_alert(each, AlertTarget(desk_id=PEOPLE_S))
        add_match(alert, one(Detection).id, [slot.id])
        add_report(each, "none")
        frozen.shift(timedelta(seconds=61 if number in (1, 2) else 31))
        loop.run_once()
    assert [each.kind.value for each in rows(Vouch, Vouch.opening_id.is_not(None))] == ["denied_widely"]


def test_salts_of_days_that_are_over_go(loop: ReportLoop) -> None:
    today = clock().date()
    with session() as s:
        s.add_all(NetworkSalt(day=today - each * timedelta(days=1), salt=b"x") for each in range(3))
    loop.run_once()
    assert [each.day for each in rows(NetworkSalt)] == [today]
