"""Our own alarms: each health check on a healthy stack and on an ill one; when alarms are raised, and end."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import redis
import sqlalchemy as sa
import time_machine
from rq import SimpleWorker

from api.admin.health.checks import CHECKS
from api.jobs import schedule as jobs
from api.models.backup_state import BackupState
from api.models.base import new_id, session
from api.models.incident import OF_HEALTH, Incident, IncidentReason
from api.models.job import JobResult
from api.models.key_renewal import KeyValue
from api.models.notification import HeldFor, Notification, Priority, State
from api.models.provider_event import ProviderEvent, ReceiptKind
from api.models.stripe_event import StripeEventFlag
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.proof_queue import store_is_away
from configs.ground.redis import open_redis
from configs.programs.circuit_breaker import (
    FAILURES_IN_A_ROW,
    CircuitBreaker,
    CircuitOpen,
    provider_rest_seconds,
)
from configs.programs.loop_report import PLANNER, STREAM
from tests import factories
from tests.api.admin.health.conftest import report_well
from tests.api.messages import BOTH, add_operator, read_text
from tests.api.world import PREFECTURES
from tests.deploy.compose_files import DEPLOY

pytestmark = [
    pytest.mark.usefixtures("database", "redis_server", "frozen", "healthy"),
    pytest.mark.xdist_group("health"),  # a test there changes what the whole server does
]

MINUTE = timedelta(minutes=1)


def wait(number: int, due_at: datetime, **columns: Any) -> None:
    """Write messages that may be sent from some moment on."""
    values: dict[str, Any] = {
        "channel": Channel.EMAIL, "kind": "support_received", "priority": Priority.IMMEDIATE,
        "next_attempt_at": due_at, "address": "x@example.org", "created_at": due_at,
    }  # fmt: skip
    factories.save_all(Notification(dedupe_key=str(uuid4()), **(values | columns)) for _ in range(number))


def break_provider(name: str = "telegram") -> None:
    breaker = CircuitBreaker(name, provider_rest_seconds())
    with suppress(CircuitOpen):  # the probe of one that was open opens it again
        for _ in range(FAILURES_IN_A_ROW):
            breaker.record_failure(breaker.begin_call())


def read_alarm() -> str:
    """Return the text of the only alarm."""
    return read_text(factories.one(Notification, Notification.kind == "operations_alarm"))


class Healthy(NamedTuple):
    """A stack whose parts all work: its Redis, and its worker of messages."""

    server: redis.Redis
    worker: SimpleWorker


@pytest.fixture
def healthy(
    database: str, redis_server: redis.Redis, workers: SimpleWorker, settings_env: Callable[..., None]
) -> Healthy:
    """Let all parts of a stack work; give its Redis, and its worker of messages."""
    settings_env(BACKUP_URL="/backups", PREFECTURES_DIR=PREFECTURES)
    report_well(redis_server)
    return Healthy(redis_server, workers)


def test_nothing_wrong_writes_nothing(healthy: Healthy, frozen: time_machine.Traveller) -> None:
    """No alarm rings on a healthy stack, to which a first backup, a message and a run of each job belong."""
    add_operator(*BOTH)
    for _ in range(4):
        wait(3, clock())
        report_well(healthy.server)
        assert jobs.watch_operations() == {"mails": 0}
        factories.remove(Notification)
        frozen.shift(12 * MINUTE)
    assert factories.rows(Incident) == []


def settle(number: int, state: State, lost: State | None = None, **columns: Any) -> None:
    """Write mails of a moment ago that came to this end, and three that were lost."""
    at = clock() - timedelta(seconds=30)
    for each in (*[state] * number, *([lost] * 3 if lost else ())):
        ended = {"failed_at": at} if each is State.FAILED else {"accepted_at": at}
        own = {
            "id": new_id(),
            "state": each,
            "reason": "x",
            "provider": "sendgrid",
            "priority": Priority.CRITICAL,
        }
        wait(1, at, **(own | ended | columns))


def spend(settings_env: Callable[..., None]) -> None:
    settings_env(SMS_DAY_STOP="2", SMS_DAY_WARN="1")
    wait(1, clock(), cost=Decimal(2), channel=Channel.SMS, state=State.SENT, accepted_at=clock())


def complain(number: int) -> None:
    now = clock()
    factories.save_all(
        ProviderEvent(
            provider="sendgrid", event_id=str(each), notification_ids=[], kind=ReceiptKind.COMPLAINED, at=now,
            received_at=now, applied_at=now,
        )
        for each in range(number)
    )  # fmt: skip


def hold_bounces() -> None:
    owner, now = factories.add_account("owner@example.org").id, clock()
    contact = factories.add_contact(owner, Channel.TELEGRAM)
    factories.save_all(
        ProviderEvent(
            provider="smtp", event_id=f"held{each}", notification_ids=[], contact_id=contact.id,
            kind=ReceiptKind.BOUNCED, code="smtp answered 550 5.1.1", at=now, received_at=now, held_at=now,
            next_attempt_at=now + timedelta(days=7),
        )
        for each in range(2)
    )  # fmt: skip


def fail_job() -> None:
    factories.add_job("sum_days", JobResult.FAILED, error="KeyError")


def lose_key(settings_env: Callable[..., None]) -> None:
    """Write a number under a key that is gone."""
    own = os.environ["DATA_KEYS"]
    settings_env(DATA_KEYS="another-key-another-key-another-key")
    factories.add_contact(factories.add_account().id, Channel.SMS)
    settings_env(DATA_KEYS=own)


def age_key() -> None:
    seen = clock() - timedelta(days=366)
    factories.save(KeyValue(program="api", setting="link_key", name="x", first_seen_at=seen, seen_at=seen))


def age_checks() -> None:
    with session() as s:
        s.execute(sa.text("TRUNCATE checks"))
    factories.add_desk(last_check_at=None)


class Ill(NamedTuple):
    """A stack that is ill: what `make` does to it, and which alarm is raised after so long."""

    check: str
    make: Callable[[], Any]
    reason: IncidentReason
    minutes: int
    subject: str
    text: str


DOWN, DEGRADED = IncidentReason.PART_DOWN, IncidentReason.PART_DEGRADED


def list_stacks(stack: Healthy, settings_env: Callable[..., None]) -> list[list[Ill]]:
    """Return what is wrong on each of three stacks: mails that were sent or lost elsewhere change what is found of some."""
    server, worker = stack
    refused = {"later": clock() + timedelta(hours=1), "created": clock() - timedelta(hours=1)}
    return [[
        Ill("scrapyd", lambda: server.delete("crawler:keeper:seen"), DOWN, 1, "scrapyd", "is `python -m crawler.loops` running"),
        Ill("workers", worker.teardown, DOWN, 1, "workers", "no worker listens to critical"),
        Ill("planner", lambda: server.delete(PLANNER), DOWN, 1, "planner", "the planner has not reported"),
        Ill("background", fail_job, DEGRADED, 5, "background", "sum_days failed (KeyError)"),
        Ill("checks", age_checks, DOWN, 1, "checks", "none was checked yet"),
        Ill("partitions", lambda: settings_env(PARTITION_DAYS_LOW="365"), DEGRADED, 5, "partitions", "made ahead"),
        Ill("payments", lambda: factories.add_stripe_event(applied_at=None, flag=StripeEventFlag.GAVE_UP), DEGRADED, 5, "payments", "given up"),
        Ill("keys", lambda: lose_key(settings_env), DEGRADED, 5, "keys", "give DATA_KEYS back"),
        Ill("key_age", age_key, DEGRADED, 5, "key_age", "LINK_KEY"),
        Ill("providers", break_provider, IncidentReason.PROVIDER_DOWN, 2, "telegram", "Un prestataire d’envoi est en panne"),
        Ill("providers", lambda: wait(10, refused["later"], reason="twilio 20429", created_at=refused["created"]), IncidentReason.QUOTA, 0, "twilio", "10 messages refusés"),
        Ill("messages", lambda: wait(2, clock() - 6 * MINUTE), IncidentReason.OLD_QUEUE, 0, "notifications", "2 messages à envoyer"),
        Ill("proofs", lambda: store_is_away(server, "full"), DEGRADED, 5, "proofs", "their store takes nothing"),
        Ill("streams", lambda: server.delete(STREAM), DEGRADED, 5, "streams", "python -m api.stream"),
        Ill("backups", lambda: factories.remove(BackupState), DEGRADED, 30, "backups", "the base backup was not made yet"),
    ], [
        Ill("delivery", lambda: settle(20, State.DELIVERED, lost=State.BOUNCED), IncidentReason.LOW_DELIVERY, 0, "email", "3 messages sur 23"),
        Ill("delivery", hold_bounces, IncidentReason.HELD_BOUNCES, 0, "smtp", "1 adresse : smtp answered 550 5.1.1 (1)"),
        Ill("delivery", lambda: complain(3), IncidentReason.SPAM_REPORTS, 0, "mail", "3 signalements en un jour"),
    ], [
        Ill("delivery", lambda: settle(40, State.SENT, lost=State.FAILED), IncidentReason.DEAD_LETTERS, 0, "notifications", "3 messages en 15 minutes"),
        Ill("ceilings", lambda: spend(settings_env), IncidentReason.SMS_CEILING, 0, "SMS 2026-11-20", "plafond des SMS"),
        Ill("ceilings", lambda: settings_env(STRANGER_MAILS_A_DAY="0"), IncidentReason.MAIL_CEILING, 0, "mails 2026-11-20", "STRANGER_MAILS_A_DAY"),
    ]]  # fmt: skip


# Parts that mend by themselves: the next report says that they are well.
_REPORTED = {"backups", "checks", "planner", "proofs", "providers", "scrapyd", "streams"}


def watch() -> dict[str, int]:
    """Run the job, while all programs report."""
    report_well(open_redis())
    return jobs.watch_operations()


@pytest.mark.parametrize("number", range(3))
def test_each_alarm_rings_on_an_ill_stack_once_it_has_lasted(
    number: int, healthy: Healthy, settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    add_operator(*BOTH)
    cases = list_stacks(healthy, settings_env)[number]
    assert jobs.watch_operations() == {"mails": 0}
    began, told = clock(), dict[tuple[str, str], str]()
    for minutes in sorted({max(each.minutes - early, 0) for each in cases for early in (1, 0)}):
        frozen.move_to(began + minutes * MINUTE)
        report_well(healthy.server)
        for each in cases:
            if minutes == 0 or (each.minutes and each.check in _REPORTED):
                each.make()
        due = {(each.reason.value, each.subject): each.text for each in cases if each.minutes <= minutes}
        assert jobs.watch_operations() == {"mails": len(due) - len(told)}, minutes
        for row in factories.rows(
            Notification, Notification.kind == "operations_alarm", Notification.created_at == clock()
        ):
            told[row.params["reason"], row.params["subject"]] = read_text(row)
        assert told.keys() == due.keys(), minutes
        assert [name for name, text in due.items() if text not in told[name]] == []


def test_every_check_but_those_of_prometheus_has_its_case_and_alarms_are_few(
    healthy: Healthy, settings_env: Callable[..., None]
) -> None:
    cases = [each for stack in list_stacks(healthy, settings_env) for each in stack]
    told = {check.name for check in CHECKS if check.alarm_after is not None}
    assert {case.check for case in cases} | {"agents", "certificate"} == told
    assert {case.reason for case in cases} == OF_HEALTH
    theirs = re.findall(r"- alert:", (DEPLOY / "prometheus" / "rules.yaml").read_text("utf-8"))
    raised_elsewhere = {"desk_trouble", "payment_trouble", "checks of the night"}
    assert len(told) + len(raised_elsewhere) + len(theirs) <= 34


def test_few_messages_that_are_lost_and_other_refusals_than_of_a_quota_are_no_alarm() -> None:
    settle(20, State.DELIVERED)
    settle(2, State.BOUNCED)
    settle(2, State.FAILED)
    complain(2)
    later, old = clock() + timedelta(hours=1), clock() - timedelta(hours=1)
    wait(9, later, reason="sendgrid answered 429", created_at=old)
    wait(20, later, reason="sendgrid answered 4290", created_at=old)
    wait(20, later, reason="sendgrid answered 503", created_at=old)
    assert watch() == {"mails": 0}
    assert factories.rows(Incident) == []


def mend_provider(name: str = "telegram") -> None:
    breaker = CircuitBreaker(name, provider_rest_seconds())
    breaker.record_success(breaker.begin_call())


def test_what_flaps_is_one_incident_and_ends_when_it_stays_away(frozen: time_machine.Traveller) -> None:
    for _ in range(3):
        break_provider()
        watch()
        frozen.shift(MINUTE)
        mend_provider()
        frozen.shift(8 * MINUTE)
    seen = factories.one(Incident).seen_at
    frozen.shift(10 * MINUTE)
    watch()
    assert factories.one(Incident).ends_at == seen


def test_a_trouble_that_a_look_found_over_has_not_lasted(
    healthy: Healthy, frozen: time_machine.Traveller
) -> None:
    add_operator(*BOTH)
    told = []
    for is_ill in (True, False, True, True):
        report_well(healthy.server)
        if is_ill:
            healthy.server.delete("crawler:keeper:seen")
        began = clock()
        told.append(jobs.watch_operations()["mails"])
        factories.add_job("watch_operations", JobResult.DONE, began)
        frozen.shift(MINUTE)
    assert told == [0, 0, 0, 1]
    assert factories.one(Incident).starts_at == began - MINUTE


@pytest.mark.rule("3.12")
def test_detections_that_nobody_matches_are_told(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    at = clock() - 4 * MINUTE
    for matched_at in (None, None, at):
        factories.see(at=at, matched_at=matched_at)
    assert watch() == {"mails": 0}, "the sweep nudges, each time after a longer wait"
    frozen.shift(MINUTE)
    assert [watch()["mails"] for _ in range(2)] == [1, 0]
    assert (factories.one(Incident).reason, factories.one(Incident).subject) == (
        IncidentReason.OLD_QUEUE,
        "detections",
    )
    assert "2 détections à apparier, la plus ancienne depuis 5 minutes" in read_alarm()


def test_messages_may_wait_for_an_hour_while_others_of_their_channel_leave(
    frozen: time_machine.Traveller,
) -> None:
    """Ten thousand by Telegram take 333 seconds at its rate."""
    add_operator(*BOTH)
    wait(2, clock() - 58 * MINUTE)
    wait(1, clock() - MINUTE, state=State.SENT, accepted_at=clock())
    assert watch() == {"mails": 0}
    frozen.shift(MINUTE)
    assert watch() == {"mails": 1}, "none left for a minute"


def test_alerts_that_the_hourly_cap_holds_back_are_none(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    wait(2, clock() + 12 * MINUTE, held_for=HeldFor.CAP)
    frozen.shift(16 * MINUTE)
    assert watch() == {"mails": 0}
    frozen.shift(MINUTE)
    assert watch() == {"mails": 1}, "it was their turn, and nobody takes them"


def test_an_alarm_that_is_repeated_says_where_its_incident_is_over(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    wait(2, clock() - 6 * MINUTE)
    watch()
    assert "terminé" not in read_alarm()
    factories.remove(Notification)
    frozen.shift(15 * MINUTE)
    watch()
    assert factories.one(Incident).ends_at is not None
    assert jobs.repeat_alarms() == {"mails": 1}
    assert "C’est terminé entre-temps. Personne n’a pris cette alarme en compte" in read_alarm()
