"""POST /api/reports: who may say what a desk's page showed, how often, and what counts."""

from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from flask.testing import FlaskClient

from api.models.base import session
from api.models.login import PendingRegistration
from api.models.organisation import Member, MemberRole
from api.models.report import PageOpening, Report, Reporter, ReportVia, read_trust
from api.models.user import Contact, User
from api.reports.reporters import end_reporting, name_reporter
from api.reports.service import NewReport, note_opening, take_report
from configs.ground.clock import clock
from configs.world.prefecture import desks
from tests.api.world import count_more
from tests.clients import Answer, People, Person, problem
from tests.factories import (
    BOBIGNY,
    PEOPLE_S,
    add_desk,
    add_organisation,
    announce,
    change,
    one,
    remove,
    rows,
    save,
)

pytestmark = pytest.mark.usefixtures("frozen")
URL = "/api/reports"


@pytest.fixture
def camille(person: People) -> Person:
    add_desk(PEOPLE_S)
    add_desk(BOBIGNY)
    who = person()
    change(User, User.id == who.id, created_at=clock() - timedelta(days=2))
    return who


def report(who: Person, kind: str = "slots", **fields: Any) -> Answer:
    return who.post(URL, {"deskId": PEOPLE_S, "kind": kind, **fields})


def test_a_report_is_taken_and_named_by_no_address(camille: Person, redis_server: redis.Redis) -> None:
    answer = report(camille, days=["2026-12-02", "2026-12-01", "2026-12-02"])
    assert (answer.status_code, answer.json["counts"]) == (202, True)
    made = one(Report)
    assert (made.desk_id, [f"{day}" for day in made.days]) == (PEOPLE_S, ["2026-12-01", "2026-12-02"])
    assert len(made.networks[0]) == 16
    assert redis_server.llen("nudges:reports") == 1


def test_a_none_counts_ten_seconds_to_fifteen_minutes_after_an_opening(
    camille: Person, frozen: time_machine.Traveller
) -> None:
    assert report(camille, "none").json["counts"] is False
    with session() as s:
        assert note_opening(s, camille.id, PEOPLE_S).url == desks()[PEOPLE_S].url
    counted = []
    for seconds in (9, 1, 890, 1):
        frozen.shift(seconds)
        counted.append(report(camille, "none").json["counts"])
    assert counted == [False, True, True, False]
    assert report(camille, "unseen").json["counts"] is False


def test_who_may_not_report_is_told_why(camille: Person) -> None:
    def refuse(**fields: Any) -> tuple[int, str]:
        return problem(report(camille, **fields))

    assert refuse(deskId="nowhere_00/x") == (404, "not-found")
    assert refuse(days=["2026-11-19"]) == (422, "invalid")
    assert refuse(days=["2026-12-01"] * 6) == (422, "invalid")
    unwatched = next(desk.id for desk in desks().values() if not desk.schedulable)
    assert refuse(deskId=unwatched) == (409, "desk-not-reported")
    change(User, User.id == camille.id, created_at=clock() - timedelta(hours=23))
    assert refuse() == (403, "account-too-new")
    change(User, User.id == camille.id, created_at=clock() - timedelta(days=2))
    with session() as s:
        end_reporting(s, camille.id, "slots that nobody else saw")
    assert refuse() == (403, "reporting-ended")
    change(Contact, Contact.user_id == camille.id, verified_at=None)
    assert refuse()[0] == 403
    assert rows(Report) == []


@pytest.mark.parametrize(
    "counter", ["*/reports/*/30/10/minute", "*/10/10/minute", "*reports-network*", "*reports-desk*"]
)
def test_each_limit_bites(
    camille: Person, client: FlaskClient, redis_server: redis.Redis, counter: str
) -> None:
    assert report(camille).status_code == 202
    count_more(redis_server, counter, 1000)
    refused = report(camille)
    assert (refused.status_code, len(rows(Report))) == (429, 1)
    assert int(refused.headers["Retry-After"]) > 0


def test_operators_name_the_first_who_are_trusted(camille: Person) -> None:
    with session() as s:
        name_reporter(s, camille.id)
        s.flush()
        assert read_trust(s, [camille.id])[camille.id].is_trusted
    change(Reporter, named_at=clock() - timedelta(days=61))
    with session() as s:
        assert not read_trust(s, [camille.id])[camille.id].is_trusted


def test_a_report_in_a_chat_has_the_network_of_its_opening(camille: Person) -> None:
    save(PageOpening(user_id=camille.id, desk_id=PEOPLE_S, opened_at=clock(), networks=[b"x"]))
    given = NewReport.model_validate({"deskId": PEOPLE_S, "kind": "slots"})
    with session() as s:
        take_report(s, camille.id, given, ReportVia.TELEGRAM, None)
    assert one(Report).networks == [b"x"]


ANSWERS = {
    "nothing_there": [("none", True)],
    "too_late": [("none", True)],
    "found": [("slots", True)],
    "stopped": [],
}


@pytest.mark.parametrize("value", ANSWERS)
def test_an_answer_within_five_minutes_is_a_look(
    camille: Person, frozen: time_machine.Traveller, value: str
) -> None:
    told = announce(camille.id, desk_id=PEOPLE_S)
    elsewhere = announce(camille.id)
    frozen.shift(60)
    for each in (told, elsewhere):
        camille.post(f"/api/alerts/{each.alert}/answers", {"value": value})
    made = [(each.kind, each.opened_at is not None) for each in rows(Report)]
    assert (made, {each.via for each in rows(Report)} <= {"answer"}) == (ANSWERS[value], True)
    remove(Report)
    late = announce(camille.id, desk_id=PEOPLE_S)
    frozen.shift(302)
    camille.post(f"/api/alerts/{late.alert}/answers", {"value": value})
    assert rows(Report) == []


def test_a_registration_keeps_the_network_that_it_came_from(client: FlaskClient) -> None:
    for number, address in enumerate(["192.0.2.1", "192.0.2.77", "198.51.100.1"]):
        body = {"email": f"c{number}@example.org", "password": "correct horse battery"}
        client.post("/api/auth/register", json=body, environ_base={"REMOTE_ADDR": address})
    first, same, other = (each.registered_from for each in rows(PendingRegistration))
    assert first == same != other


def test_members_and_people_of_an_organisation_are_one_witness(camille: Person, person: People) -> None:
    zoe, robin = person("zoe@example.org"), person("robin@example.org")
    house = add_organisation(camille.id).id
    save(Member(organisation_id=house, user_id=zoe.id, role=MemberRole.CASEWORKER, joined_at=clock()))
    with session() as s:
        for number, each in enumerate((camille, zoe, robin)):
            s.get_one(User, each.id).created_at = clock() - timedelta(days=2)
            note_opening(s, each.id, PEOPLE_S, f"203.0.{113 + number}.7")
    seen = {each.user_id: frozenset(map(bytes, each.networks)) for each in rows(PageOpening)}
    assert (bool(seen[camille.id] & seen[zoe.id]), bool(seen[camille.id] & seen[robin.id])) == (True, False)
