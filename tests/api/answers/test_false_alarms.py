"""Three false alarms of three people within an hour alarm operators, with the proofs; they hold nothing back."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.admin.system import write_proof_links
from api.background import jobs
from api.models.answer import AnswerValue, MatchAnswer
from api.models.base import session
from api.models.incident import Incident, IncidentReason
from api.models.notification import Match, Notification
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel
from api.operations.alarms import acknowledge
from configs.ground.clock import clock
from configs.ground.signed_links import ShowProof, read_token
from configs.ground.signing import LinkRefused
from tests.api.answers.announcing import report
from tests.api.messages import read_text
from tests.api.operations.operators import BOTH, add_operator, list_written
from tests.api.world import PREFECTURES
from tests.factories import BOBIGNY, add_answer, add_user, announce, change, one, rows
from tests.notifier.world import alert, detection, get, matched, person

FOUND, TOO_LATE, NOTHING_THERE, STOPPED = AnswerValue
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
    waiting = person()
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
