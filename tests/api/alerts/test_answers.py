"""Answers to alerts, by the service and its route; three false alarms of three people within an hour alarm operators, with the proofs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import time_machine

from api.admin.incidents import write_proof_links
from api.alerts.answers import StoredAnswer, list_announced, store_answers
from api.alerts.schemas import FoundAppointment
from api.alerts.service import delete_alert
from api.ground.alarms import acknowledge
from api.ground.errors import ApiError
from api.jobs import schedule as jobs
from api.models.alert import Alert, ClosedBecause
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.appointment import Appointment
from api.models.base import session
from api.models.desk import DeskChange
from api.models.incident import Incident, IncidentReason
from api.models.notification import Match, Notification
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel, Contact, Grant
from configs.ground.clock import clock
from configs.ground.signing import LinkRefused, ShowProof, read_token
from configs.world.plan import PlanName
from tests.api.messages import BOTH, add_operator, list_written, read_text
from tests.api.world import PREFECTURES, Door
from tests.clients import People, Person
from tests.factories import (
    BOBIGNY,
    Announcement,
    add_alert,
    add_answer,
    add_match,
    add_user,
    announce,
    change,
    get,
    one,
    remove,
    rows,
    see,
)
from tests.in_turn import in_turn
from tests.notifier.world import alert, detection, matched
from tests.notifier.world import person as make_person
from tests.waiting import at_once

PLAN = PlanName.URGENCE_TOTAL  # of Camille's
HOUR = timedelta(hours=1)
FOUND, TOO_LATE, NOTHING_THERE, STOPPED = AnswerValue


def describe(days: int = 9) -> FoundAppointment:
    return FoundAppointment.model_validate({"at": (clock() + timedelta(days=days)).isoformat()})


def test_the_same_answer_again_changes_nothing_however_late(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    told = {value: announce(camille.id) for value in AnswerValue}
    first = {value: answer(each, value) for value, each in told.items()}
    before = len(rows(DeskChange)), len(rows(Notification)), [each.closed_at for each in rows(Alert)]
    for wait in (timedelta(0), HOUR, timedelta(days=20)):
        frozen.shift(wait)
        for value, each in told.items():
            again = answer(each, value, via=AnswerVia.EMAIL)
            assert again.answered_at == first[value].answered_at
    assert {(kept.via, kept.changed_at) for kept in rows(MatchAnswer)} == {(AnswerVia.API, None)}
    after = len(rows(DeskChange)), len(rows(Notification)), [each.closed_at for each in rows(Alert)]
    assert after == before


@in_turn(
    "before, value", [(FOUND, TOO_LATE), (TOO_LATE, STOPPED), (NOTHING_THERE, TOO_LATE), (STOPPED, FOUND)]
)
def test_an_answer_changes_for_an_hour_and_then_no_more(
    frozen: time_machine.Traveller, camille: Person, before: AnswerValue, value: AnswerValue
) -> None:
    told, late = announce(camille.id), announce(camille.id)
    answer(told, before)
    answer(late, before)
    began = clock()
    frozen.shift(HOUR - timedelta(seconds=1))
    answer(told, value, via=AnswerVia.EMAIL)
    kept = read_answer(told)
    assert kept is not None
    assert (kept.value, kept.via) == (value, AnswerVia.EMAIL)
    assert (kept.answered_at, kept.changed_at) == (began, clock())
    frozen.shift(1)
    closed = get(Alert, late.alert).closed_because
    with pytest.raises(ApiError) as refusal:
        answer(late, value)
    assert refusal.value.word == "answer-final"
    assert refusal.value.detail.endswith((began + HOUR).isoformat())
    kept = read_answer(late)
    assert kept is not None
    assert (kept.value, kept.changed_at, get(Alert, late.alert).closed_because) == (before, None, closed)
    with pytest.raises(ApiError, match="another answer stands"):
        answer(told, before)  # the hour counts from the first answer


@in_turn("before, value", [(FOUND, TOO_LATE), (STOPPED, NOTHING_THERE)])
def test_who_takes_back_what_closed_the_alert_has_it_open_again(
    frozen: time_machine.Traveller, camille: Person, door: Door, before: AnswerValue, value: AnswerValue
) -> None:
    told = announce(camille.id)
    answer(told, before, found=describe() if before is FOUND else None)
    frozen.shift(60)
    assert answer(told, value).has_reopened
    assert door.caught_up[-1] == told.alert
    assert get(Alert, told.alert).waits
    assert get(Alert, told.alert).watched_since == clock()
    assert rows(Appointment) == []
    assert "alert reopened" in {each.reason for each in rows(DeskChange)}
    remove(DeskChange)


def test_an_alert_that_the_plan_carries_no_more_stays_closed(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    told = announce(camille.id)
    answer(told, FOUND, found=describe())
    remove(Grant)
    assert not answer(told, TOO_LATE).has_reopened
    assert get(Alert, told.alert).closed_because is ClosedBecause.STOPPED
    assert rows(Appointment) == []


@in_turn("value", AnswerValue)
def test_a_deleted_alert_takes_answers_and_stays_deleted(camille: Person, value: AnswerValue) -> None:
    told = announce(camille.id)
    with session() as s:
        delete_alert(s, camille.id, told.alert)
    answer(told, value, found=describe() if value is FOUND else None)
    assert get(Alert, told.alert).closed_because is ClosedBecause.DELETED
    assert rows(Appointment) == []
    assert read_answer(told) is not None


def test_only_the_owner_answers(camille: Person, person: People) -> None:
    told, robin = announce(camille.id), person("robin@example.org")
    own = announce(robin.id)
    for matches in ([told.match], [told.match, own.match], [uuid4()], []):
        with pytest.raises(ApiError) as refusal:
            answer(own, STOPPED, match_ids=matches)
        assert refusal.value.status == 404
    assert rows(MatchAnswer) == []
    assert all(each.waits for each in rows(Alert))


def test_of_several_matches_a_final_answer_stays_and_the_others_are_stored(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    old, fresh = announce(camille.id), announce(camille.id)
    answer(old, TOO_LATE)
    frozen.shift(2 * HOUR)
    stored = answer(fresh, STOPPED, match_ids=[old.match, fresh.match])
    assert stored.answered_at == clock()
    kept = {each.match_id: each.value for each in rows(MatchAnswer)}
    assert kept == {old.match: TOO_LATE, fresh.match: STOPPED}
    assert (get(Alert, old.alert).waits, get(Alert, fresh.alert).waits) == (True, False)


def test_two_answers_at_once_are_one_answer(person: People) -> None:
    told = announce(person(plan=PlanName.URGENCE_TOTAL).id)
    at_once(lambda value: answer(told, value), (FOUND, TOO_LATE))
    (kept,) = rows(MatchAnswer)
    assert kept.changed_at is not None
    assert get(Alert, told.alert).waits is (kept.value is TOO_LATE)


def test_a_message_names_the_matches_of_all_that_left_with_it(
    frozen: time_machine.Traveller, camille: Person, person: People
) -> None:
    robin = person("robin@example.org")
    contacts = {each.user_id: each.id for each in rows(Contact)}
    sent: dict[str, Any] = {"contact_id": contacts[camille.id], "provider_id": "one"}
    one, with_it = announce(camille.id, **sent), announce(camille.id, **sent)
    announce(robin.id, contact_id=contacts[robin.id], provider_id="one")  # a provider names a batch by one id
    announce(camille.id, **sent | {"provider_id": "two"})
    waiting = announce(camille.id, took=None, contact_id=contacts[camille.id])
    both = announce(camille.id, add_alert(camille.id), took=None)
    other = announce(camille.id, took=None).match
    change(Match, Match.id == other, announcement_id=get(Match, both.match).announcement_id)
    with session() as s:
        for message, matches in (
            (one.message, {one.match, with_it.match}),
            (waiting.message, {waiting.match}),
            (both.message, {both.match, other}),
            (uuid4(), set[UUID]()),
        ):
            assert {each.match_id for each in list_announced(s, message)} == matches


AT = "2026-12-01T08:30:00Z"


def post(who: Person, alert: UUID, value: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = who.post(f"/api/alerts/{alert}/answers", {"value": value} | body)
    return answer.status_code, answer.json


def test_an_answer_is_stored_for_the_newest_announcement(camille: Person) -> None:
    older = announce(camille.id)
    with time_machine.travel("2026-11-20T09:01:00+00:00", tick=False):
        newer = announce(camille.id, older.alert)
        status, said = post(camille, older.alert, "too_late")
    assert status == 200
    assert (said["value"], said["answeredAt"], said["changeableUntil"]) == (
        "too_late",
        "2026-11-20T09:01:00Z",
        "2026-11-20T10:01:00Z",
    )
    assert said["alert"]["isActive"]
    kept = read_answer(newer)
    assert kept is not None
    assert kept.via is AnswerVia.API
    assert read_answer(older) is None


def test_what_was_never_sent_is_not_the_newest_announcement(camille: Person) -> None:
    told = announce(camille.id)
    detection_id, slots = see("2027-02-05T09:00:00+00:00")
    waits = add_match(told.alert, detection_id, slots)
    assert post(camille, told.alert, "too_late")[0] == 200
    assert {each.match_id for each in rows(MatchAnswer)} == {told.match}
    assert post(camille, told.alert, "found", detectionId=str(detection_id))[0] == 200
    assert waits in {each.match_id for each in rows(MatchAnswer)}


def test_another_announcement_is_named_by_its_detection(camille: Person) -> None:
    older = announce(camille.id)
    newer = announce(camille.id, older.alert)
    assert post(camille, older.alert, "nothing_there", detectionId=str(older.detection))[0] == 200
    assert [each.match_id for each in rows(MatchAnswer)] == [older.match]
    assert post(camille, newer.alert, "too_late", detectionId=str(uuid4()))[0] == 404


def test_found_takes_the_appointment_and_closes_the_alert(camille: Person) -> None:
    told = announce(camille.id)
    appointment = {"at": AT, "place": "Bobigny, guichet 4"}
    for _ in range(2):
        status, said = post(camille, told.alert, "found", appointment=appointment)
        assert (status, said["alert"]["closedBecause"], said["alert"]["appointment"]["at"]) == (
            200,
            "found",
            AT,
        )
    assert len(rows(Appointment)) == 1


@in_turn(
    "body, path",
    [
        ({"value": ["found"]}, "value"),
        ({"value": "found", "at": AT}, "at"),
        ({"value": "too_late", "appointment": {"at": AT}}, ""),
    ],
)
def test_what_is_no_answer_is_named(camille: Person, body: dict[str, Any], path: str) -> None:
    told = announce(camille.id)
    answer = camille.post(f"/api/alerts/{told.alert}/answers", body)
    said: dict[str, Any] = answer.json or {}
    assert (answer.status_code, [each["path"] for each in said["errors"]]) == (422, [path])
    assert rows(MatchAnswer) == []


pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")

MINUTE = timedelta(minutes=1)
MELUN = "melun_77/titre-sejour"
PROOF = "2026/11/20/0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _desks(settings_env: Callable[..., None]) -> None:
    """Read the desk files of the small world."""
    settings_env(PREFECTURES_DIR=PREFECTURES)


def alarms() -> int:
    """Run the job; return how many incidents there are."""
    jobs.report_false_alarms()
    return len(rows(Incident))


def end_incident() -> None:
    """Acknowledge the only open incident, which ends it."""
    (mine,) = (each for each in rows(Incident) if each.ends_at is None)
    with session() as s:
        acknowledge(s, mine.id)


def test_three_people_within_an_hour_alarm_operators(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    for _ in range(3):
        report()
        frozen.shift(29 * MINUTE)
    frozen.shift(-29 * MINUTE)
    assert jobs.report_false_alarms() == {"mails": 1}
    incident = one(Incident)
    assert (incident.subject, incident.reason, incident.ends_at) == (
        BOBIGNY, IncidentReason.FALSE_ALARMS, None,
    )  # fmt: skip
    sent = [each.channel for each in list_written() if each.kind == "desk_trouble"]
    assert sent == [Channel.TELEGRAM]


def test_a_slot_that_was_gone_for_a_moment_when_it_was_answered_is_no_false_alarm(
    frozen: time_machine.Traveller,
) -> None:
    report(3)
    frozen.shift(MINUTE)
    detection([each.id for each in rows(SlotRow)], desk_id=BOBIGNY)
    assert alarms() == 0


def test_what_people_report_holds_no_alert_of_the_desk() -> None:
    report(5)
    jobs.report_false_alarms()
    waiting = make_person()
    alert(waiting, {"desk_id": BOBIGNY})
    (made,) = matched(detection(desk_id=BOBIGNY))
    assert get(Notification, made).user_id == waiting.id


def two_people() -> None:
    report(2)


def one_person() -> None:
    report(5, owner=add_user().id)


def two_desks() -> None:
    report(2)
    report(2, desk_id=MELUN)


def an_hour_ago() -> None:
    add_answer(announce().match, at=clock() - timedelta(hours=1))
    report(2)


def changed_to_another() -> None:
    first, *_ = report(3)
    change(MatchAnswer, MatchAnswer.match_id == first, value=TOO_LATE, changed_at=clock())


@pytest.mark.parametrize("say", [two_people, one_person, two_desks, an_hour_ago, changed_to_another])
def test_fewer_or_other_reports_alarm_nobody(say: Callable[[], None]) -> None:
    say()
    assert alarms() == 0


def end_slots(before: timedelta, reason: GoneReason) -> None:
    """Have checks seen all slots go, so long before now."""
    change(SlotRow, gone_at=clock() - before, gone_reason=reason)


def give_answers(told: list[UUID]) -> None:
    for each in told:
        add_answer(each)


@pytest.mark.parametrize(
    ("reported_first", "reason", "raised"),
    [
        pytest.param(False, GoneReason.TAKEN, 0, id="answered after the slots were seen to go"),
        pytest.param(True, GoneReason.TAKEN, 1, id="answered before the slots were seen to go"),
        pytest.param(False, GoneReason.SUPERSEDED, 1, id="the slots' hours were seen meanwhile"),
    ],
)
def test_only_what_we_still_showed_is_a_false_alarm(
    frozen: time_machine.Traveller, *, reported_first: bool, reason: GoneReason, raised: int
) -> None:
    told = [announce().match for _ in range(3)]
    if reported_first:
        give_answers(told)
    frozen.shift(5 * MINUTE)
    end_slots(MINUTE, reason)
    if not reported_first:
        give_answers(told)
    assert alarms() == raised


def report_again(frozen: time_machine.Traveller, after: timedelta) -> dict[str, int]:
    """Have three more people report after so long; return the job's counts."""
    frozen.shift(after)
    report(3, proof=PROOF)
    return jobs.report_false_alarms()


def test_more_reports_add_their_proofs_for_a_day_and_alarm_after_it_or_an_acknowledgement(
    frozen: time_machine.Traveller,
) -> None:
    add_operator(*BOTH)
    report(3)
    assert [jobs.report_false_alarms() for _ in range(2)] == [{"mails": 1}, {"mails": 0}]
    assert report_again(frozen, 2 * MINUTE) == {"mails": 0}
    incident = one(Incident)
    assert (incident.seen_at, len((incident.alarm_params or {})["proofs"])) == (clock(), 3)
    assert report_again(frozen, timedelta(days=1)) == {"mails": 1}
    first, second = sorted(rows(Incident), key=lambda each: each.id)
    assert (first.ends_at, second.ends_at) == (clock(), None)
    end_incident()
    assert report_again(frozen, MINUTE) == {"mails": 1}


def read_alarm() -> str:
    """Return the text of the only alarm."""
    return read_text(one(Notification, Notification.kind == "desk_trouble"))


def test_the_alarm_leads_to_the_proofs(frozen: time_machine.Traveller) -> None:
    add_operator(Channel.EMAIL)
    report(1)
    proven = report(6, proof=PROOF)
    jobs.report_false_alarms()
    said = read_alarm()
    assert "7 personnes ont répondu" in said
    assert said.count("/l/proof.") == 5, "no more than five, and none of what has no proof"
    assert "Page lue le 20 novembre 2026 à 10:00" in said
    (links,) = (write_proof_links(each) for each in rows(Incident))
    with session() as s:
        known = set(s.scalars(sa.select(Match.detection_id).where(Match.id.in_(proven))))
    assert {read_token(ShowProof, link.rpartition("/")[2]).detection for link in links} <= known
    frozen.shift(timedelta(days=2))
    with pytest.raises(LinkRefused):
        read_token(ShowProof, links[0].rpartition("/")[2])
    (again,) = (write_proof_links(each) for each in rows(Incident))
    assert read_token(ShowProof, again[0].rpartition("/")[2]).detection in known


def answer(told: Announcement, value: AnswerValue, **other: Any) -> StoredAnswer:
    """Store its owner's answer."""
    given: dict[str, Any] = {"user_id": told.owner, "match_ids": [told.match], "via": AnswerVia.API} | other
    with session() as s:
        return store_answers(s, value=value, **given)


def read_answer(told: Announcement) -> MatchAnswer | None:
    """Return the answer to a match."""
    return next(iter(rows(MatchAnswer, MatchAnswer.match_id == told.match)), None)


def report(
    number: int = 1, owner: UUID | None = None, desk_id: str = BOBIGNY, proof: str | None = None
) -> list[UUID]:
    """Have alerts sent and answered as false, each to a new person unless one is named; return the matches."""
    made = [announce(owner, desk_id=desk_id, proof=proof).match for _ in range(number)]
    for each in made:
        add_answer(each)
    return made
