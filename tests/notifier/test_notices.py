"""Notices: written with the messages that say the same, once per person, without a contact."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notice import Notice
from api.models.notification import Notification, State
from api.models.user import User
from configs.ground.clock import clock
from notifier import jobs
from notifier.delivery import message_writer, nudges
from notifier.delivery.message_writer import create_notifications
from notifier.matching import match_service, notification_writer
from notifier.matching.match_service import match_detection
from tests.notifier.world import (
    DESK,
    MORNING,
    alert,
    all_of,
    change,
    detection,
    for_procedure,
    in_one_transaction,
    matched,
    notifications,
    person,
    slots,
)

pytestmark = pytest.mark.usefixtures("database")
PAUSED = {"prefectures": ["evry-courcouronnes_91"], "count": 1, "limit": 1}


def pause(user_id: Any, key: str = "paused:1") -> Any:
    return in_one_transaction(
        create_notifications, user_id, "alerts_paused", PAUSED, key, priority="immediate"
    )


def test_a_matched_user_has_one_notice_however_many_alerts_match() -> None:
    camille = person()
    alert(camille)
    alert(camille, for_procedure())
    seen = detection()
    matched(seen)
    (notice,) = all_of(Notice)
    assert (notice.user_id, notice.kind, notice.language) == (camille.id, "slot_detected", "fr")
    assert notice.title == "Créneau détecté – Essonne (91)"
    assert "jeudi 26 novembre 2026 à\xa009:30" in notice.body
    assert "Naturalisation <b>&" in notice.body
    assert "None" not in notice.body
    assert "/l/stop." not in notice.body
    assert (notice.detection_id, notice.read_at, notice.gone_at) == (seen, None, None)


def test_a_user_whom_no_contact_reaches_has_a_notice_all_the_same() -> None:
    silent = person(enabled=False)
    alert(silent)
    matched(detection())
    assert notifications() == []
    assert [each.user_id for each in all_of(Notice)] == [silent.id]


def test_a_notice_names_the_slots_that_its_reader_waits_for() -> None:
    every, late = person(), person()
    alert(every)
    alert(late, for_procedure(hour_from="12:00"))
    matched(detection(slots([MORNING, MORNING.replace(hour=13)])))
    bodies = {each.user_id: each.body for each in all_of(Notice)}
    assert "2 créneaux ouverts" in bodies[every.id]
    assert "1 créneau ouvert" in bodies[late.id]
    assert "14:30" in bodies[late.id]


def test_a_user_whom_no_contact_reaches_has_one_notice_of_a_slot_however_often_the_alert_is_edited() -> None:
    opened = slots()
    matched(detection(opened))
    silent = alert(person(enabled=False))
    for _ in range(3):
        in_one_transaction(match_service.match, DESK, clock(), [silent])
    assert len(all_of(Notice)) == 1
    slots([MORNING.replace(hour=13)])
    in_one_transaction(match_service.match, DESK, clock(), [silent])
    assert len(all_of(Notice)) == 2


def test_a_user_whom_no_contact_reaches_has_one_notice_of_a_slot_that_flickers() -> None:
    alert(person(enabled=False))
    opened = slots()
    for _ in range(3):
        matched(detection(opened))
        assert len(all_of(Notice)) == 1


def test_a_message_that_is_tried_again_makes_no_second_notice() -> None:
    again = alert(person())
    matched(detection())
    (row,) = notifications()
    change(Notification, row.id, state=State.EXPIRED, reason="x", failed_at=clock())
    in_one_transaction(match_service.match, DESK, clock(), [again])
    assert len(notifications()) == 2
    assert len(all_of(Notice)) == 1


def test_who_has_nothing_but_a_notice_sees_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[bool] = []
    monkeypatch.setattr(nudges, "show_notices", lambda: shown.append(True))
    alert(person(enabled=False))
    jobs.match(str(detection()))
    assert len(all_of(Notice)) == 1
    assert shown == [True]


def test_notices_are_written_in_the_transaction_of_the_messages() -> None:
    alert(person())
    seen = detection()

    def match_and_fail(s: Session) -> None:
        match_detection(s, seen, clock())
        assert s.scalar(sa.select(sa.func.count()).select_from(Notice)) == 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_one_transaction(match_and_fail)
    assert (all_of(Notice), notifications()) == ([], [])


def test_a_notice_that_cannot_be_rendered_stops_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise LookupError("a text")

    for writer in (notification_writer, message_writer):
        monkeypatch.setattr(writer, "render_notice", fail)
    camille = person()
    alert(camille)
    matched(detection())
    pause(camille.id)
    assert [each.kind for each in notifications()] == ["slot_detected", "alerts_paused"]
    assert all_of(Notice) == []


def test_another_kind_makes_one_notice_for_each_key_in_the_users_language() -> None:
    camille = person()
    change(User, camille.id, language="en")
    for key in ("paused:1", "paused:1", "paused:2"):
        pause(camille.id, key)
    first, second = all_of(Notice)
    assert (first.title, first.language, first.link) == ("One alert is paused", "en", "/dashboard")
    assert "Essonne (91)" in first.body
    assert second.title == first.title


def test_a_kind_without_notices_makes_none() -> None:
    camille = person()
    in_one_transaction(create_notifications, camille.id, "password_changed", {}, "x", priority="immediate")
    assert len(notifications()) == 1
    assert all_of(Notice) == []
