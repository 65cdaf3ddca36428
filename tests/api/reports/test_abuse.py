"""Abuse of reports, from the press to what the loop makes of it: who is one person stays one, and no press is lost."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from flask import Flask

from api.models.report import LOOK_REQUESTED, Report, ReportState
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import User
from api.reports.service import NETWORK, PERSON_AT_DESK
from configs.ground.clock import clock
from configs.ground.signing import ReportLook, write_token
from configs.programs.part_failures import PartFailures
from crawler.reports.loop import ReportLoop
from tests.clients import Answer, People, Person, problem
from tests.factories import BOBIGNY, PEOPLE_S, add_desk, add_message, change, one, rows

pytestmark = pytest.mark.usefixtures("frozen")
PHONE, OTHER_PHONE = "192.0.2.7", "198.51.100.7"


@pytest.fixture
def couple(person: People) -> list[Person]:
    """Give two people whose accounts are some days old, of days that differ."""
    for desk in (PEOPLE_S, BOBIGNY):
        add_desk(desk)
    both = [person(f"{name}@example.org") for name in ("camille", "bruno")]
    for days, each in enumerate(both, 2):
        change(User, User.id == each.id, created_at=clock() - timedelta(days=days))
    return both


def press(who: Person, kind: str = "slots", phone: str = PHONE, **fields: Any) -> Answer:
    body = {"deskId": PEOPLE_S, "kind": kind, **fields}
    return who.send("POST", "/api/reports", body, environ_base={"REMOTE_ADDR": phone})


def told(client: redis.Redis) -> list[bool]:
    """Let the loop read what waits; return of each detection so far whether it is in doubt."""
    ReportLoop(client, PartFailures()).run_once()
    assert rows(Report, Report.state == ReportState.WAITING) == []
    return [each.in_doubt for each in rows(Detection)]


def test_the_same_press_again_and_two_accounts_of_one_phone_confirm_nothing(
    couple: list[Person], redis_server: redis.Redis
) -> None:
    one_of, other = couple
    for who in (one_of, one_of, other):
        assert press(who).status_code == 202
    assert told(redis_server) == [True]
    press(other, phone=OTHER_PHONE)
    assert told(redis_server) == [True, False]


def test_a_clients_clock_says_nothing(couple: list[Person]) -> None:
    assert problem(press(couple[0], seenAt="2027-01-01T00:00:00Z")) == (422, "invalid")
    assert problem(press(couple[0], days=["2028-01-01"])) == (422, "invalid")
    assert rows(Report) == []
    assert press(couple[0]).json["seenAt"] == one(Report).seen_at.isoformat().replace("+00:00", "Z")


def test_of_presses_without_end_each_is_refused_or_stored(
    couple: list[Person], redis_server: redis.Redis
) -> None:
    most = int(PERSON_AT_DESK.split()[0])
    codes = Counter(press(couple[0]).status_code for _ in range(2 * most))
    assert (codes, len(rows(Report))) == ({202: most, 429: most}, most)
    assert int(NETWORK.split()[0]) > most  # others of that network report still
    assert press(couple[1]).status_code == 202
    assert told(redis_server) == [True]


def test_who_finds_a_link_says_nothing_for_a_second_person(
    app: Flask, couple: list[Person], redis_server: redis.Redis
) -> None:
    message = add_message(couple[0].id, kind=LOOK_REQUESTED, params={"desk_id": PEOPLE_S})
    link = f"/l/{write_token(ReportLook(message))}"
    thief = app.test_client()
    elsewhere = {"REMOTE_ADDR": OTHER_PHONE}
    press(couple[0])
    assert thief.post(link, data={"kind": "slots"}, environ_base=elsewhere).status_code == 200
    assert thief.post(link[:-2], data={"kind": "slots"}, environ_base=elsewhere).status_code >= 400
    assert {each.user_id for each in rows(Report)} == {couple[0].id}
    assert told(redis_server) == [True]


def test_a_report_of_a_desk_that_checks_see_is_kept_and_tells_nobody(
    couple: list[Person], redis_server: redis.Redis
) -> None:
    for who, phone in zip(couple, (PHONE, OTHER_PHONE), strict=True):
        assert press(who, phone=phone, deskId=BOBIGNY).status_code == 202
    assert (told(redis_server), rows(SlotRow)) == ([], [])
    assert {each.state for each in rows(Report)} == {ReportState.KEPT}


def test_contradicting_presses_in_one_second_end_nothing_by_one_person(
    couple: list[Person], redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    for who, phone in zip(couple, (PHONE, OTHER_PHONE), strict=True):
        assert press(who, phone=phone).status_code == 202
        assert press(who, "none", phone).json["counts"] is False  # no page was opened 10 s before
    assert told(redis_server) == [True, False]
    frozen.shift(601)
    told(redis_server)
    assert one(SlotRow).gone_reason is GoneReason.LAPSED
