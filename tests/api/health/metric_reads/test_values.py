"""Values of single metrics: what changes in the world changes them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import time_machine

from api.health.metric_reads import message_reads, record_reads
from api.health.metric_reads.check_reads import CheckMetrics, DeskMetrics
from api.health.metric_reads.database import MetricDatabase, first_id_at
from api.health.metric_reads.health_reads import read_health
from api.health.metric_reads.record_reads import JobMetrics, PaymentMetrics, RecordMetrics
from api.health.metric_reads.sample import GrowthCounter, Labels, Sample
from api.health.metric_reads.server_reads import QueueMetrics, RedisMetrics
from api.health.parallel_probe import open_redis
from api.models.answer import AnswerValue
from api.models.backup_state import BackupPart, BackupState
from api.models.base import new_id, session
from api.models.check import Check
from api.models.desk import HostState, Outage, OutageReason
from api.models.incident import Incident, IncidentReason
from api.models.job_run import JobResult, JobRun
from api.models.key_sighting import KeySighting
from api.models.notification import Notification, Priority, State
from api.models.payment import Payment, PaymentStatus
from api.models.user import Channel, User
from api.operations.providers import list_providers
from api.paging import first_id_at as first_id_of_pages
from configs.circuit_breaker import CircuitBreaker
from configs.clock import clock
from configs.job_queues import push
from configs.loop_report import LoopReport, write_report
from configs.outcome import Outcome
from configs.plan import PlanName
from configs.prefecture import desks
from deploy.metrics.certificate_file import read_certificate
from tests.api.health.test_certificate import write_certificate
from tests.api.world import BOBIGNY, PREFECTURES, Person, desk_state, wait_for

_SECOND = timedelta(seconds=1)


@pytest.fixture
def tables(
    database: str, settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> MetricDatabase:
    settings_env(PREFECTURES_DIR=PREFECTURES)
    return MetricDatabase()


def by_labels(samples: list[Sample], name: str) -> dict[tuple[str, ...], float]:
    return {sample.labels: sample.value for sample in samples if sample.name == name}


def add_person(plan: PlanName | None) -> Person:
    with session() as s:
        user = User(email=f"{uuid4()}@example.org")
        s.add(user)
        s.flush()
        found = Person(user.id, user.email, {}, uuid4())
    if plan:
        found.holds(plan)
    return found


def count_unproven(tables: MetricDatabase) -> float:
    return by_labels(DeskMetrics(tables).read_samples(), "desks_unproven")[()]


def test_a_desk_without_a_proven_answer_counts_while_somebody_entitled_waits(
    tables: MetricDatabase, frozen: time_machine.Traveller
) -> None:
    desk_state(BOBIGNY, wished_seconds=60.0, share_seconds=10.0, last_proven_at=clock() - 301 * _SECOND)
    assert count_unproven(tables) == 0  # no user waits
    wait_for(add_person(None).id)
    assert count_unproven(tables) == 0  # the user who waits has no plan
    person = add_person(PlanName.URGENCE_24H)
    wait_for(person.id)
    assert count_unproven(tables) == 1
    desk_state(BOBIGNY, last_proven_at=clock() - 299 * _SECOND)
    assert count_unproven(tables) == 0
    frozen.shift(60)
    assert count_unproven(tables) == 1
    desk_state(BOBIGNY, paused_at=clock(), pause_reason="repair")
    assert count_unproven(tables) == 0
    desk_state(BOBIGNY, paused_at=None, pause_reason=None)
    with session() as s:
        s.add(HostState(host=desks()[BOBIGNY].host, stopped_at=clock(), stop_reason="asked to"))
    samples = DeskMetrics(tables).read_samples()
    assert by_labels(samples, "desks_unproven") == {(): 0}
    assert by_labels(samples, "host_resting")["stopped",] == 1


def test_states_intervals_rests_and_outages_of_desks(tables: MetricDatabase) -> None:
    desk_state(BOBIGNY, status="CAPTCHA", wished_seconds=30.0, feasible_seconds=60.0, achieved_seconds=90.0)
    with session() as s:
        s.add(Outage(desk_id=BOBIGNY, starts_at=clock(), reason=OutageReason.CAPTCHA))
        s.add(HostState(host="a:443", rests_until=clock() + _SECOND, rest_reason="blocked"))
        s.add(HostState(host="b:443", rests_until=clock() + _SECOND, rest_reason="a person's words"))
        s.add(HostState(host="c:443", rests_until=clock() - _SECOND, rest_reason="blocked"))
    samples = DeskMetrics(tables).read_samples()
    assert by_labels(samples, "desks") == {("ACTIVE",): 0, ("CAPTCHA",): 1, ("PAUSED",): 0, ("ERROR",): 0}
    assert by_labels(samples, "desk_interval_ratio")["0.95",] == 1.5
    assert by_labels(samples, "outages_open") == {(): 1}
    rests = by_labels(samples, "host_resting")
    assert (rests["blocked",], rests["other",], rests["stopped",]) == (1, 1, 0)


def add_check(at: datetime, outcome: Outcome = Outcome.NO_SLOTS) -> None:
    with session() as s:
        s.add(
            Check(
                started_at=at, desk_id=BOBIGNY, outcome=outcome, evidence="", milliseconds=1, requests=1, slots_seen=0,
                covered=[], process="x",
            )
        )  # fmt: skip


def test_a_check_counts_once_by_its_desk_s_system_and_platform(tables: MetricDatabase) -> None:
    desk_state(BOBIGNY, due_queue="prefenligne", wished_seconds=60.0)
    metrics = CheckMetrics(tables)
    add_check(clock() - 60 * _SECOND)
    labels = ("prefenligne", desks()[BOBIGNY].platform)
    assert by_labels(metrics.read_samples(), "checks_total")[*labels, "no_slots"] == 0  # before the exporter
    add_check(clock() - _SECOND)
    add_check(clock(), Outcome.BLOCKED)
    for _ in range(2):
        found = by_labels(metrics.read_samples(), "checks_total")
        assert (found[*labels, "no_slots"], found[*labels, "blocked"]) == (1, 1)


def test_lateness_is_the_gap_beyond_the_planned_interval(
    tables: MetricDatabase, settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    settings_env(INTERVAL_JITTER="0")
    desk_state(BOBIGNY, wished_seconds=60.0)
    metrics = CheckMetrics(tables)
    begun = clock()
    add_check(begun)
    assert by_labels(metrics.read_samples(), "check_lateness_seconds") == {}
    frozen.shift(63)
    add_check(clock(), Outcome.OVERLOADED)
    assert by_labels(metrics.read_samples(), "check_lateness_seconds")["0.95",] == pytest.approx(3)
    frozen.shift(300)  # after a check that proved nothing its desk rests
    add_check(clock())
    assert by_labels(metrics.read_samples(), "check_lateness_seconds")["0.95",] == pytest.approx(3)


def test_a_database_restored_from_a_backup_is_counted_anew(tables: MetricDatabase) -> None:
    metrics = CheckMetrics(tables)
    with session() as s:
        s.execute(sa.text("ALTER TABLE checks ALTER COLUMN id RESTART WITH 100000"))
    add_check(clock() - 3 * _SECOND)
    metrics.read_samples()
    with session() as s:
        s.execute(sa.text("DELETE FROM checks"))
        s.execute(sa.text("ALTER TABLE checks ALTER COLUMN id RESTART WITH 10"))
    add_check(clock() - 2 * _SECOND)
    metrics.read_samples()
    add_check(clock() - _SECOND)
    assert sum(by_labels(metrics.read_samples(), "checks_total").values()) == 1


def test_jobs_backups_keys_and_incidents(tables: MetricDatabase) -> None:
    now = clock()
    metrics = JobMetrics(tables)
    with session() as s:
        for place in range(3):
            at = now - timedelta(hours=place + 1)
            s.add(
                JobRun(
                    job="a", due_at=at, started_at=at, ended_at=at, result=JobResult.DONE, next_nudge_at=at
                )
            )
        s.add(BackupState(part=BackupPart.BASE, finished_at=now))
        s.add(Incident(subject="sendgrid", reason=IncidentReason.PROVIDER_DOWN, starts_at=now, seen_at=now))
        for name, since in (("old", None), ("new", now), ("other", now - _SECOND)):
            s.add(
                KeySighting(
                    program=name,
                    name="jwt_secret",
                    fingerprint=name,
                    first_seen_at=now,
                    started_at=now,
                    first_since=since,
                )
            )
    found = metrics.read_samples()
    hour_ago = (now - timedelta(hours=1)).timestamp()
    assert by_labels(found, "job_last_success_timestamp_seconds") == {("a",): hour_ago}
    assert by_labels(found, "job_failures_total") == {("a",): 0}
    with session() as s:
        s.add(
            JobRun(
                job="a", due_at=now, started_at=now, ended_at=now, result=JobResult.FAILED, next_nudge_at=now
            )
        )
    found = metrics.read_samples()
    assert by_labels(found, "job_failures_total") == {("a",): 1}
    assert by_labels(found, "job_last_success_timestamp_seconds") == {("a",): hour_ago}
    records = RecordMetrics(tables).read_samples()
    assert by_labels(records, "backup_last_success_timestamp_seconds") == {("base",): now.timestamp()}
    assert by_labels(records, "incidents_open") == {("provider_down",): 1}
    assert by_labels(records, "key_oldest_timestamp_seconds") == {
        ("jwt_secret",): (now - _SECOND).timestamp()
    }


def test_a_payment_counts_in_each_status_that_it_comes_into(tables: MetricDatabase) -> None:
    metrics, payment_id = PaymentMetrics(tables), new_id()
    metrics.read_samples()
    with session() as s:
        s.add(
            Payment(
                id=payment_id, plan=PlanName.URGENCE_7J, amount_cents=100, status=PaymentStatus.PENDING,
                created_at=clock(),
            )
        )  # fmt: skip
    metrics.read_samples()
    with session() as s:
        s.execute(sa.text("SET LOCAL session_replication_role = replica"))  # without the ledger
        s.execute(sa.update(Payment).values(status=PaymentStatus.COMPLETED))
    found = by_labels(metrics.read_samples(), "payments_total")
    assert {labels: value for labels, value in found.items() if value} == {
        ("URGENCE_7J", "PENDING"): 1,
        ("URGENCE_7J", "COMPLETED"): 1,
    }


def test_queues_breakers_and_due_desks(redis_server: Any, frozen: time_machine.Traveller) -> None:
    push("email-bulk", "nowhere.run", (), "one", seconds=10, kept=100)
    frozen.shift(90)
    client = open_redis()
    write_report(client, LoopReport(at=clock(), queues={"custom": clock()}))
    found = QueueMetrics(client).read_samples()
    assert by_labels(found, "queue_jobs") == {("email-bulk",): 1}
    assert by_labels(found, "queue_oldest_seconds")["email-bulk",] == pytest.approx(90, abs=1)
    assert by_labels(found, "due_desks") == {("custom",): 0}
    breaker = CircuitBreaker("twilio", 15)
    assert by_labels(RedisMetrics(client).read_samples(), "breaker_open")["twilio",] == 0
    for _ in range(3):
        breaker.record_failure(breaker.begin_call())
    found = RedisMetrics(client).read_samples()
    assert by_labels(found, "breaker_open")["twilio",] == 1
    assert by_labels(found, "redis_policy_noeviction") == {(): 1}


def test_the_words_are_those_of_the_tables(settings_env: Callable[..., None]) -> None:
    assert set(message_reads.CHANNELS) == set(Channel)
    assert set(message_reads.STATES) == set(State) - {State.PENDING, State.SENDING}
    assert set(record_reads.STATUSES) == set(PaymentStatus)
    assert set(record_reads.ANSWERS) == set(AnswerValue)
    assert message_reads.list_providers() == {each.value: list_providers(each) for each in Channel}
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert first_id_at(now) == str(first_id_of_pages(now))


def test_health_is_the_api_s(settings_env: Callable[..., None]) -> None:
    body = json.dumps(
        {"status": "down", "parts": {"redis": {"status": "down"}, "keys": {"status": "ok"}}}
    ).encode()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.handle_request, daemon=True).start()
        settings_env(METRICS_API_URL=f"http://127.0.0.1:{server.server_port}")
        found = by_labels(read_health(), "health_part_state")
    assert found == {("api",): 0, ("redis",): 2, ("keys",): 0}
    assert by_labels(read_health(), "health_part_state") == {("api",): 2}


def test_the_end_of_the_certificate_is_its_file_s(tmp_path: Path) -> None:
    ends_at = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    write_certificate(tmp_path / "fullchain.pem", ends_at)
    assert read_certificate(tmp_path / "fullchain.pem")[0].value == ends_at.timestamp()
    with pytest.raises(ValueError, match="PEM"):
        read_certificate(Path(__file__))


def test_a_flood_of_messages_makes_fewer_old_periods_and_none_for_ever(
    tables: MetricDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_reads, "_BUDGET", -1)  # one older period is read all the same
    metrics = message_reads.MessageMetrics(tables)
    old = clock() - timedelta(hours=1)
    metrics.read_samples()
    with session() as s:
        s.add(
            Notification(
                id=UUID(first_id_at(old)), address="a@example.org", channel=Channel.EMAIL, kind="slot_detected",
                priority=Priority.CRITICAL, dedupe_key="1", next_attempt_at=old, next_nudge_at=old, created_at=old,
            )
        )  # fmt: skip
    periods = int(message_reads._KEPT / message_reads._PERIOD)
    for _ in range(periods):
        metrics.read_samples()
    with session() as s:
        s.execute(sa.update(Notification).values(state=State.FAILED, reason="x", failed_at=clock()))
    for _ in range(periods):
        found = by_labels(metrics.read_samples(), "notifications_total")
    assert found["email", "none", "failed"] == 1


def test_of_very_many_dead_letters_a_bounded_number_is_counted(
    tables: MetricDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_reads, "_MOST_DEAD", 2)
    for number, age in enumerate((3000, 2000, 1000, 10)):
        at = clock() - timedelta(seconds=age)
        with session() as s:
            s.add(
                Notification(
                    id=new_id(), address="a@example.org", channel=Channel.EMAIL, kind="slot_detected",
                    priority=Priority.CRITICAL, dedupe_key=str(number), next_attempt_at=at, next_nudge_at=at,
                    created_at=at, state=State.FAILED, reason="x", failed_at=at,
                )
            )  # fmt: skip
    found = {sample.name: sample.value for sample in message_reads.LetterMetrics(tables).read_samples()}
    assert found["dead_letters"] == 2


def test_a_counter_begins_with_0_and_never_falls() -> None:
    counter, first, second = (
        GrowthCounter(),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=UTC),
    )
    steps: list[tuple[dict[datetime, dict[Labels, float]], float]] = [
        ({first: {("a",): 5}}, 0),
        ({first: {("a",): 7}, second: {("a",): 1}}, 3),
        ({first: {("a",): 6}}, 3),  # rows were deleted
        ({first: {("a",): 7}}, 3),  # and one came back
    ]
    for sums, total in steps:
        counter.update([second, first] if second in sums else [first], sums)
        assert counter.list_samples("x") == [Sample("x", total, ("a",))]
    assert counter.sum_since(second) == {("a",): 1}
    counter.forget_before(second)
    assert counter.sum_since(first) == {("a",): 1}


def test_a_clock_that_is_set_back_counts_nothing_twice() -> None:
    counter = GrowthCounter()
    hours = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in range(9)]
    rows: dict[datetime, dict[Labels, float]] = {each: {("a",): 1} for each in hours}
    for now in (*range(3, 9), 7, 6):  # the last two: set back
        read = hours[now - 3 : now + 1][::-1]
        counter.update(read, {each: rows[each] for each in read})
        counter.forget_before(read[-1])
    assert counter.list_samples("x") == [Sample("x", 5, ("a",))]  # hours 4 to 8
    counter.update(hours[2:6][::-1], {hours[3]: {("a",): 2.0}})
    assert counter.list_samples("x") == [Sample("x", 6, ("a",))]
