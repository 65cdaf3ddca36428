"""Desks by status with reasons, and how often they are really asked."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from api.health.desk_overview import DeskPace, DeskTrouble, read_desks
from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from api.models.desk import DeskStatus
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import User
from configs.clock import clock
from configs.prefecture import desks
from deploy.status.desks import lines
from tests.deploy.status.conftest import FIRST, SECOND, THIRD

World = Callable[..., None]


def said() -> str:
    return "\n".join(text.plain for text in lines(read_desks()))


def test_desks_are_counted_by_status_and_those_in_trouble_named_by_reason(world: World) -> None:
    world(FIRST)
    world(SECOND, status=DeskStatus.ERROR, status_reason="no answer")
    world(THIRD, status=DeskStatus.ERROR, status_reason="no answer")
    found, unplanned = read_desks(), sum(desk.schedulable for desk in desks().values()) - 3
    assert found.by_status == {"ACTIVE": 1, "CAPTCHA": 0, "PAUSED": 0, "ERROR": 2, "UNPLANNED": unplanned}
    assert found.troubles == [DeskTrouble(DeskStatus.ERROR, "no answer", [SECOND, THIRD])]
    assert f"{unplanned + 3} watched: 1 ACTIVE · 2 ERROR · {unplanned} UNPLANNED" in said()
    assert f"ERROR no answer: {SECOND} and 1 more" in said()


def test_the_worst_troubles_come_first_and_an_active_desk_may_have_one(world: World) -> None:
    world(FIRST, status_reason="the site is overloaded")
    world(SECOND, status=DeskStatus.PAUSED, status_reason="maintenance")
    world(THIRD, status=DeskStatus.ERROR, status_reason="no answer")
    assert [trouble.desks for trouble in read_desks().troubles] == [[THIRD], [SECOND], [FIRST]]


def test_a_desk_that_left_the_files_is_not_counted(world: World) -> None:
    world("atlantis_99/gone", status=DeskStatus.ERROR)
    assert read_desks().by_status["ERROR"] == 0


def test_achieved_is_compared_with_wished(world: World) -> None:
    world(FIRST, achieved_seconds=60.0)
    world(SECOND, achieved_seconds=66.0)
    world(THIRD, achieved_seconds=180.0)
    assert read_desks().pace == DeskPace(1.1, 3.0, THIRD, 180.0, 60.0)
    assert f"median 1.10, worst 3.00 (180 s for 60 s) {THIRD}" in said()


def test_nothing_checked_yet_is_said(world: World) -> None:
    world(FIRST, achieved_seconds=None, last_check_at=None)
    assert read_desks().pace is None
    assert "newest check never" in said()


def test_open_slots_detections_and_alerts_are_counted(world: World) -> None:
    world(FIRST)
    now = clock()
    with session() as s:
        user = User(email="a@example.org")
        s.add(user)
        s.flush()
        closed: dict[str, Any] = {"closed_at": now, "closed_because": ClosedBecause.DELETED}
        s.add_all(
            [Alert(user_id=user.id), Alert(user_id=user.id, enabled=False), Alert(user_id=user.id, **closed)]
        )
        for number, gone in enumerate([None, None, now]):
            reason = GoneReason.TAKEN if gone else None
            s.add(
                SlotRow(
                    desk_id=FIRST, place_key=str(number), moment="2026-12-01", url="http://x", opened_at=now,
                    seen_at=now, gone_at=gone, gone_reason=reason,
                )
            )  # fmt: skip
        for age in (timedelta(minutes=59), timedelta(minutes=61)):
            s.add(
                Detection(
                    desk_id=FIRST, prefecture_id="bobigny_93", procedures=["TITRE_SEJOUR"], label="x",
                    booking_url="http://x", seen_at=now - age, committed_at=now - age,
                )
            )  # fmt: skip
    assert (
        "newest check 20 s ago · 1 alert waiting\n2 slots open at 1 desk · 1 detection in an hour" in said()
    )
