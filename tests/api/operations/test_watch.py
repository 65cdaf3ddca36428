"""Our own operations are watched: providers, messages that wait, quotas, the ceiling of SMS."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
import time_machine

from api.background import jobs
from api.models.base import session
from api.models.incident import Incident, IncidentReason
from api.models.notification import Notification, Priority, State
from api.models.user import Channel, Contact
from api.operations.alarms import acknowledge
from api.operations.providers import read_left_alone
from configs.circuit_breaker import FAILURES, PROVIDER_REST_SECONDS, CircuitBreaker, CircuitOpen
from configs.clock import clock
from notifier.content.messages import render
from notifier.message_kind_base import ClaimedRow, TemplateContext
from notifier.message_kinds import kind_of
from tests.api.operations.operators import BOTH, Written, add_operator, get_incident, list_written
from tests.api.world import rows

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")

ALARM = Written("operations_alarm", Channel.TELEGRAM, again=False)
MINUTE = timedelta(minutes=1)


def wait(number: int, due_at: datetime, **columns: Any) -> None:
    """Write messages that may be sent from some moment on."""
    values: dict[str, Any] = {
        "channel": Channel.EMAIL, "kind": "support_received", "priority": Priority.IMMEDIATE,
        "next_attempt_at": due_at, "next_nudge_at": due_at, "address": "x@example.org", "created_at": due_at,
    }  # fmt: skip
    with session() as s:
        s.add_all(Notification(dedupe_key=str(uuid4()), **(values | columns)) for _ in range(number))


def break_provider(name: str = "telegram") -> None:
    breaker = CircuitBreaker(name, PROVIDER_REST_SECONDS())
    with suppress(CircuitOpen):  # the probe of one that was open opens it again
        for _ in range(FAILURES):
            breaker.record_failure(breaker.begin_call())


def alarms() -> list[Written]:
    return [each for each in list_written() if each.kind == "operations_alarm"]


def read_alarm() -> str:
    """Return the text of the only alarm."""
    (row,) = (each for each in rows(Notification) if each.kind == "operations_alarm")
    with session() as s:
        contact = s.get_one(Contact, row.contact_id)
        context = kind_of(row.kind).prepare(s, ClaimedRow.of(row), contact, clock())
    assert isinstance(context, TemplateContext)
    made = render(row.kind, row.channel, "fr", context)
    return made.text or made.html


def test_nothing_wrong_writes_nothing() -> None:
    add_operator(*BOTH)
    wait(3, clock())
    assert jobs.watch_operations() == {"mails": 0}
    assert rows(Incident) == []


def test_a_provider_that_stays_down_is_told_after_two_minutes(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    break_provider()
    assert "telegram" in read_left_alone(Channel.TELEGRAM)
    assert jobs.watch_operations() == {"mails": 0}, "a breaker opens for a short failure, too"
    frozen.shift(2 * MINUTE)
    break_provider()
    assert jobs.watch_operations() == {"mails": 1}
    assert (get_incident().reason, get_incident().subject) == (IncidentReason.PROVIDER_DOWN, "telegram")
    assert alarms() == [ALARM._replace(channel=Channel.EMAIL)], "not by the provider that is down"
    assert "Un prestataire d’envoi est en panne" in read_alarm()
    frozen.shift(MINUTE)
    break_provider()
    assert jobs.watch_operations() == {"mails": 0}, "told once"


def mend_provider(name: str = "telegram") -> None:
    breaker = CircuitBreaker(name, PROVIDER_REST_SECONDS())
    breaker.record_success(breaker.begin_call())


def test_a_provider_that_few_messages_call_is_down_until_one_succeeds(
    frozen: time_machine.Traveller,
) -> None:
    add_operator(*BOTH)
    break_provider()
    jobs.watch_operations()
    frozen.shift(2 * MINUTE)
    assert read_left_alone(Channel.TELEGRAM) == {}, "its rest is over, and no message was due"
    assert jobs.watch_operations() == {"mails": 1}
    assert alarms() == [ALARM._replace(channel=Channel.EMAIL)]


def test_a_provider_that_answers_within_two_minutes_is_not_told(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    break_provider()
    jobs.watch_operations()
    frozen.shift(MINUTE)
    mend_provider()
    for _ in range(5):
        frozen.shift(MINUTE)
        assert jobs.watch_operations() == {"mails": 0}


def test_what_flaps_is_one_incident_and_ends_when_it_stays_away(frozen: time_machine.Traveller) -> None:
    for _ in range(3):
        break_provider()
        jobs.watch_operations()
        frozen.shift(MINUTE)
        mend_provider()
        frozen.shift(8 * MINUTE)
    seen = get_incident().seen_at
    frozen.shift(10 * MINUTE)
    jobs.watch_operations()
    assert get_incident().ends_at == seen


def test_messages_that_no_worker_takes_are_told(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    wait(2, clock() - 4 * MINUTE)
    assert jobs.watch_operations() == {"mails": 0}
    frozen.shift(MINUTE)
    assert jobs.watch_operations() == {"mails": 1}
    assert "2 messages à envoyer, le plus ancien depuis 5 minutes" in read_alarm()


def test_messages_in_bulk_may_wait_for_an_hour(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    wait(2, clock() - 59 * MINUTE, priority=Priority.BULK)
    assert jobs.watch_operations() == {"mails": 0}
    frozen.shift(MINUTE)
    assert jobs.watch_operations() == {"mails": 1}


def test_messages_that_wait_on_purpose_are_none(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    wait(2, clock() + timedelta(hours=1))
    frozen.shift(timedelta(minutes=59))
    assert jobs.watch_operations() == {"mails": 0}


def test_alerts_that_the_hourly_cap_holds_back_are_none(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    wait(2, clock(), reason="hourly cap", next_nudge_at=clock() + 12 * MINUTE)
    frozen.shift(11 * MINUTE)
    assert jobs.watch_operations() == {"mails": 0}
    frozen.shift(MINUTE)
    assert jobs.watch_operations() == {"mails": 1}, "now it is their turn, and nobody takes them"


@pytest.mark.parametrize("reason", ["sendgrid answered 429", "twilio 20429"])
def test_a_provider_that_refuses_many_for_a_limit_is_told(
    reason: str, frozen: time_machine.Traveller
) -> None:
    add_operator(*BOTH)
    later = clock() + timedelta(hours=1)
    wait(10, later, reason=reason, created_at=clock() - 4 * MINUTE)
    assert jobs.watch_operations() == {"mails": 0}, "a burst"
    frozen.shift(MINUTE)
    assert jobs.watch_operations() == {"mails": 1}
    assert (get_incident().reason, get_incident().subject) == (IncidentReason.QUOTA, reason.partition(" ")[0])
    assert "10 messages refusés" in read_alarm()


def test_other_refusals_are_no_quota() -> None:
    later, old = clock() + timedelta(hours=1), clock() - timedelta(hours=1)
    wait(9, later, reason="sendgrid answered 429", created_at=old)
    wait(20, later, reason="sendgrid answered 4290", created_at=old)
    wait(20, later, reason="sendgrid answered 503", created_at=old)
    jobs.watch_operations()
    assert rows(Incident) == []


def test_the_ceiling_of_sms_is_told_once_a_day(
    settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    settings_env(SMS_DAY_STOP="2")
    add_operator(*BOTH)
    sent = {"channel": Channel.SMS, "state": State.SENT, "accepted_at": clock()}
    wait(1, clock(), cost=Decimal("1.5"), **sent)
    assert jobs.watch_operations() == {"mails": 0}
    wait(1, clock(), cost=Decimal("0.5"), **sent)
    assert [jobs.watch_operations()["mails"] for _ in range(2)] == [1, 0]
    assert "Le plafond des SMS du jour est atteint" in read_alarm()
    with session() as s:
        acknowledge(s, get_incident().id)
    assert jobs.watch_operations() == {"mails": 0}
    frozen.shift(timedelta(days=1))
    wait(1, clock(), cost=Decimal(3), **(sent | {"accepted_at": clock()}))
    jobs.watch_operations()
    found = sorted(each.subject for each in rows(Incident) if each.reason is IncidentReason.SMS_CEILING)
    assert found == ["SMS 2026-11-20", "SMS 2026-11-21"]


def test_an_alarm_that_is_repeated_says_where_its_incident_is_over(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    wait(2, clock() - 6 * MINUTE)
    jobs.watch_operations()
    assert "terminé" not in read_alarm()
    with session() as s:
        s.execute(sa.delete(Notification))
    frozen.shift(15 * MINUTE)
    jobs.watch_operations()
    assert get_incident().ends_at is not None
    assert jobs.repeat_alarms() == {"mails": 1}
    assert "C’est terminé entre-temps. Personne n’a pris cette alarme en compte" in read_alarm()


def test_an_incident_that_operators_know_of_is_not_told(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    break_provider()
    jobs.watch_operations()
    with session() as s:
        acknowledge(s, get_incident().id)
    frozen.shift(2 * MINUTE)
    break_provider()
    assert jobs.watch_operations() == {"mails": 0}


def test_the_planner_s_loop_does_not_end_what_it_does_not_watch(frozen: time_machine.Traveller) -> None:
    from crawler.incidents import incidents

    wait(1, clock() - timedelta(hours=1))
    jobs.watch_operations()
    frozen.shift(timedelta(hours=1))
    with session() as s:
        incidents.store_incidents(s, [], clock())
    assert get_incident().ends_at is None
