"""Three false alarms of three people within an hour hold the alerts of a desk and alarm operators, with the proofs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from api.admin.incidents.schemas import IncidentEntry
from api.answers import false_alarms
from api.background import jobs
from api.models.answer import AnswerValue
from api.models.base import session
from api.models.desk import DeskState
from api.models.hold import Hold
from api.models.incident import Incident, IncidentReason
from api.models.notification import Match, Notification
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel, Contact
from api.operations.alarms import acknowledge
from configs.clock import clock
from configs.prefecture import desks
from configs.signed_links import ShowProof, read_token
from configs.signing import LinkRefused
from notifier.content.messages import render
from notifier.message_kind_base import ClaimedRow, TemplateContext
from notifier.message_kinds import kind_of
from tests.api.answered import (
    FOUND,
    NOTHING_THERE,
    TOO_LATE,
    add_user,
    change_answer,
    give_answer,
    report,
    send_alert,
)
from tests.api.operations.operators import BOTH, add_operator, get_incident, list_written
from tests.api.world import BOBIGNY, PREFECTURES, rows

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")

MINUTE = timedelta(minutes=1)
MELUN = "melun_77/titre-sejour"
PROOF = "2026/11/20/0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _desks(settings_env: Callable[..., None]) -> None:
    """Read the desk files of the small world."""
    settings_env(PREFECTURES_DIR=PREFECTURES)


def holds(desk_id: str = BOBIGNY) -> list[Hold]:
    return sorted((each for each in rows(Hold) if each.desk_id == desk_id), key=lambda each: each.starts_at)


def held_at(desk_id: str = BOBIGNY) -> Any:
    with session() as s:
        return s.get_one(DeskState, desk_id).held_at


def release() -> None:
    """End all holds, as the crawler does after two proven answers."""
    with session() as s:
        s.execute(sa.update(Hold).values(ends_at=clock()))
        s.execute(sa.update(DeskState).values(held_at=None))


def test_three_people_within_an_hour_hold_the_desk_and_alarm_operators(
    frozen: time_machine.Traveller,
) -> None:
    add_operator(*BOTH)
    for _ in range(3):
        report()
        frozen.shift(29 * MINUTE)
    frozen.shift(-29 * MINUTE)
    assert jobs.hold_desks() == {"mails": 1}
    (hold,) = holds()
    assert (hold.starts_at, hold.ends_at, hold.people, hold.proven) == (clock(), None, 3, 0)
    assert held_at() == clock()
    incident = get_incident()
    assert (incident.subject, incident.reason, incident.ends_at) == (
        BOBIGNY, IncidentReason.FALSE_ALARMS, None,
    )  # fmt: skip
    alarms = [each.channel for each in list_written() if each.kind == "desk_trouble"]
    assert alarms == [Channel.TELEGRAM]


def test_a_repetition_changes_nothing() -> None:
    add_operator(*BOTH)
    report(3)
    assert jobs.hold_desks() == {"mails": 1}
    report(3)
    assert jobs.hold_desks() == {"mails": 0}
    assert (len(holds()), len(rows(Incident))) == (1, 1)


def two_people() -> None:
    report(2)


def one_person() -> None:
    report(5, owner=add_user())


def other_answers() -> None:
    for value in (FOUND, TOO_LATE, AnswerValue.STOPPED):
        give_answer(send_alert(), value)
    report(2)


def two_desks() -> None:
    report(2)
    report(2, desk_id=MELUN)


def an_hour_ago() -> None:
    give_answer(send_alert(), at=clock() - timedelta(hours=1))
    report(2)


def changed_to_another() -> None:
    first, *_ = report(3)
    change_answer(first, TOO_LATE)


@pytest.mark.parametrize(
    "say", [two_people, one_person, other_answers, two_desks, an_hour_ago, changed_to_another]
)
def test_fewer_or_other_reports_hold_nothing(say: Callable[[], None]) -> None:
    say()
    assert jobs.hold_desks() == {"mails": 0}
    assert (rows(Hold), rows(Incident)) == ([], [])


def end_slots(before: timedelta, reason: GoneReason = GoneReason.TAKEN) -> None:
    """Have checks seen all slots go, so long before now."""
    with session() as s:
        s.execute(sa.update(SlotRow).values(gone_at=clock() - before, gone_reason=reason))


def test_an_answer_after_the_slots_were_seen_to_go_is_no_false_alarm(frozen: time_machine.Traveller) -> None:
    told = [send_alert() for _ in range(3)]
    frozen.shift(5 * MINUTE)
    end_slots(MINUTE)
    for each in told:
        give_answer(each)
    jobs.hold_desks()
    assert rows(Hold) == []


def test_an_answer_from_before_the_slots_were_seen_to_go_is_one(frozen: time_machine.Traveller) -> None:
    report(3)
    frozen.shift(5 * MINUTE)
    end_slots(MINUTE)
    jobs.hold_desks()
    assert len(holds()) == 1


def test_slots_whose_hours_were_seen_meanwhile_are_not_gone(frozen: time_machine.Traveller) -> None:
    told = [send_alert() for _ in range(3)]
    frozen.shift(5 * MINUTE)
    end_slots(MINUTE, GoneReason.SUPERSEDED)
    for each in told:
        give_answer(each)
    jobs.hold_desks()
    assert len(holds()) == 1


def test_an_answer_counts_from_when_it_was_changed(frozen: time_machine.Traveller) -> None:
    late = send_alert()
    give_answer(late, FOUND)
    frozen.shift(50 * MINUTE)
    report(2)
    change_answer(late, NOTHING_THERE)
    frozen.shift(50 * MINUTE)
    jobs.hold_desks()
    assert len(holds()) == 1


def test_what_was_sent_before_a_hold_leads_to_no_other() -> None:
    report(3)
    late = [send_alert() for _ in range(3)]
    jobs.hold_desks()
    for each in late:
        give_answer(each)
    release()
    jobs.hold_desks()
    assert len(holds()) == 1


def test_what_is_sent_after_a_hold_may_lead_to_another(frozen: time_machine.Traveller) -> None:
    report(3)
    jobs.hold_desks()
    frozen.shift(MINUTE)
    release()
    report(3)
    jobs.hold_desks()
    assert [each.ends_at is None for each in holds()] == [False, True]


def test_an_answer_counts_once_though_its_match_is_announced_again(frozen: time_machine.Traveller) -> None:
    report(3)
    jobs.hold_desks()
    frozen.shift(MINUTE)
    release()
    with session() as s:
        s.execute(sa.update(Match).values(decided_at=clock()))
    jobs.hold_desks()
    assert len(holds()) == 1


def test_a_hold_of_a_clock_that_was_ahead_begins_now_and_leads_to_no_other(
    frozen: time_machine.Traveller,
) -> None:
    frozen.shift(timedelta(days=1))
    report(3)
    jobs.hold_desks()
    frozen.shift(-timedelta(days=1))
    jobs.hold_desks()
    assert (held_at(), [each.starts_at for each in holds()]) == (clock(), [clock()])
    release()
    jobs.hold_desks()
    assert len(holds()) == 1


def hold_again(frozen: time_machine.Traveller, after: timedelta) -> dict[str, int]:
    """End the hold, and have another one begin after so long; return the job's counts."""
    frozen.shift(after)
    release()
    report(3, proof=PROOF)
    return jobs.hold_desks()


def test_another_hold_within_a_day_adds_its_proofs_and_alarms_nobody(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    report(3)
    jobs.hold_desks()
    assert hold_again(frozen, 2 * MINUTE) == {"mails": 0}
    incident = get_incident()
    assert (incident.seen_at, len((incident.alarm_params or {})["proofs"])) == (clock(), 3)


def test_another_hold_alarms_again_after_a_day_or_an_acknowledgement(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    report(3)
    jobs.hold_desks()
    assert hold_again(frozen, timedelta(days=1)) == {"mails": 1}
    first, second = sorted(rows(Incident), key=lambda each: each.id)
    assert (first.ends_at, second.ends_at) == (clock(), None)
    with session() as s:
        acknowledge(s, second.id)
    assert hold_again(frozen, MINUTE) == {"mails": 1}


def read_alarm() -> str:
    """Return the text of the only alarm."""
    (row,) = (each for each in rows(Notification) if each.kind == "desk_trouble")
    with session() as s:
        contact = s.get_one(Contact, row.contact_id)
        context = kind_of(row.kind).prepare(s, ClaimedRow.of(row), contact, clock())
    assert isinstance(context, TemplateContext)
    made = render(row.kind, row.channel, "fr", context)
    return made.text or made.html


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.TELEGRAM])
def test_the_alarm_leads_to_the_proofs(channel: Channel, frozen: time_machine.Traveller) -> None:
    add_operator(channel)
    report(1)
    proven = report(6, proof=PROOF)
    jobs.hold_desks()
    said = read_alarm()
    assert "7 personnes ont répondu" in said
    assert said.count("/l/proof/") == 5, "no more than five, and none of what has no proof"
    assert "Page lue le 20 novembre 2026 à 10:00" in said
    (entry,) = (IncidentEntry.of(each) for each in rows(Incident))
    with session() as s:
        known = set(s.scalars(sa.select(Match.detection_id).where(Match.id.in_(proven))))
    assert {read_token(ShowProof, link.rpartition("/")[2]).detection for link in entry.proofs} <= known
    frozen.shift(timedelta(days=2))
    with pytest.raises(LinkRefused):
        read_token(ShowProof, entry.proofs[0].rpartition("/")[2])
    (again,) = (IncidentEntry.of(each) for each in rows(Incident))
    assert read_token(ShowProof, again.proofs[0].rpartition("/")[2]).detection in known


def test_a_desk_that_is_not_watched_any_more_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    report(3)
    report(3, desk_id=MELUN)
    jobs.hold_desks()
    left = {name: desk for name, desk in desks().items() if name != MELUN}
    monkeypatch.setattr(false_alarms, "desks", lambda: left)
    jobs.hold_desks()
    assert (held_at(MELUN), holds(MELUN)[0].ends_at) == (None, clock())
    assert (held_at(), holds()[0].ends_at) == (clock(), None)
