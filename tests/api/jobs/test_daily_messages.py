"""Messages to operators: alarms, once more by mail unless somebody acknowledges them, what a night's checks alarm of, the digest and the report."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import time_machine
from sqlalchemy.engine import make_url

from api.ground.alarms import acknowledge
from api.jobs import schedule as jobs
from api.jobs.daily_messages import count_events, measure_day, write_digest, write_report
from api.jobs.self_checks import QUERIES
from api.models.appointment import Appointment
from api.models.base import session
from api.models.incident import Incident, IncidentReason
from api.models.job import JobResult
from api.models.notification import Notification, State
from api.models.payment import Payment, PaymentStatus, Refund, RefundReason, RefundStatus
from api.models.support import SupportRequest
from api.models.user import Channel, Grant, Role
from api.payments.ledger import notices
from configs.ground.clock import clock
from configs.programs.circuit_breaker import FAILURES_IN_A_ROW, CircuitBreaker, provider_rest_seconds
from configs.world.plan import PlanName
from notifier.jobs import deliver
from tests import databases, factories
from tests.api.messages import BOTH, Written, add_operator, list_written, render_row
from tests.factories import remove

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")

TELEGRAM, EMAIL = Channel.TELEGRAM, Channel.EMAIL
KIND = "payment_trouble"
FIRST, AGAIN = Written(KIND, TELEGRAM, again=False), Written(KIND, EMAIL, again=True)


def warn(subject: str = "issfr_1") -> None:
    with session() as s:
        notices.tell_admins(s, "fraud_warning", "issfr_1 of payment 0190", key=f"fraud:{subject}")


def test_an_alarm_goes_by_telegram_and_after_a_quarter_of_an_hour_by_mail(
    frozen: time_machine.Traveller,
) -> None:
    add_operator(*BOTH)
    warn()
    assert list_written() == [FIRST]
    frozen.shift(timedelta(minutes=14, seconds=59))
    assert jobs.repeat_alarms() == {"mails": 0}
    frozen.shift(1)
    assert jobs.repeat_alarms() == {"mails": 1}
    for _ in range(20):
        frozen.shift(timedelta(hours=1))
        jobs.repeat_alarms()
    assert list_written() == [FIRST, AGAIN], "once more and no more"
    remove(Notification)
    assert jobs.repeat_alarms() == {"mails": 0}, "also where the messages were deleted since"


def test_two_workers_repeat_it_once(frozen: time_machine.Traveller) -> None:
    for _ in range(3):
        add_operator(*BOTH)
    warn()
    frozen.shift(timedelta(minutes=15))
    with ThreadPoolExecutor(4) as workers:
        done = list(workers.map(lambda _: jobs.repeat_alarms()["mails"], range(4)))
    assert sorted(done) == [0, 0, 0, 3]


def test_what_was_acknowledged_stays_quiet_also_where_its_message_waits(
    frozen: time_machine.Traveller,
) -> None:
    add_operator(*BOTH)
    warn()
    with session() as s:
        acknowledge(s, factories.one(Incident).id)
    deliver(str(factories.one(Notification).id))
    assert (factories.one(Notification).state, factories.one(Notification).reason) == (
        State.SKIPPED,
        "acknowledged before",
    )
    frozen.shift(timedelta(hours=1))
    assert jobs.repeat_alarms() == {"mails": 0}
    assert list_written() == [FIRST]


def test_who_has_one_channel_gets_both_messages_by_it(frozen: time_machine.Traveller) -> None:
    by_mail, by_chat = add_operator(EMAIL), add_operator(TELEGRAM, Channel.SMS, role=Role.SUPPORT)
    nobody = add_operator(*BOTH, enabled=False)
    warn()
    frozen.shift(timedelta(minutes=15))
    jobs.repeat_alarms()
    assert [each.channel for each in list_written(by_mail)] == [EMAIL, EMAIL]
    assert [each.channel for each in list_written(by_chat)] == [TELEGRAM, TELEGRAM]
    assert list_written(nobody) == []


def test_an_alarm_begins_by_mail_while_telegram_is_left_alone(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    breaker = CircuitBreaker("telegram", provider_rest_seconds())
    for _ in range(FAILURES_IN_A_ROW):
        breaker.record_failure(breaker.begin_call())
    warn()
    frozen.shift(timedelta(minutes=15))  # it works again
    jobs.repeat_alarms()
    assert [each.channel for each in list_written()] == [EMAIL, TELEGRAM]


def test_plain_users_get_no_alarm() -> None:
    add_operator(*BOTH, role=Role.USER)
    warn()
    assert list_written() == []
    assert factories.one(Incident).told_at is not None


def test_the_support_address_gets_the_mail_at_once(settings_env: Callable[..., None]) -> None:
    settings_env(SUPPORT_EMAIL="ops@example.org")
    add_operator(*BOTH)
    warn()
    assert sorted(list_written()) == [Written(KIND, EMAIL, again=False), FIRST]


def test_the_same_case_alarms_once_and_another_one_again() -> None:
    add_operator(*BOTH)
    for subject in ("issfr_1", "issfr_1", "issfr_2"):
        warn(subject)
    assert list_written() == [FIRST, FIRST]
    with session() as s:
        acknowledge(s, min(each.id for each in factories.rows(Incident)))
    warn("issfr_1")
    assert list_written() == [FIRST, FIRST], "acknowledged, and no new case"


_MESSAGE = (
    "INSERT INTO notifications (id, user_id, contact_id, channel, kind, priority, dedupe_key, next_attempt_at,"
    " created_at, matched_at, state, accepted_at, receipt_due_at) SELECT gen_random_uuid(),"
    " :id, :id, 'email', '{kind}', 'critical', gen_random_uuid(), :at, :at, :at, {state}, {receipt}"
)
_DETECTION = (
    "INSERT INTO detections (id, desk_id, prefecture_id, procedures, label, source, booking_url, seen_at, committed_at)"
    " VALUES (:id, 'a/b', 'a', '{AUTRE}', 'a', 'check', 'https\\://a.example', :at, :at)"
)
_WITHDRAWAL = (
    "INSERT INTO declarations (id, kind, made_at, made_by, payment_id, takes_effect_at)"
    " VALUES (:id, 'withdrawal', :at, 'account', :id, :at)"
)
_SENT, _NEVER = "'sent', CAST(:at AS timestamptz)", "NULL"
_GRANT = (
    "INSERT INTO grants (id, user_id, plan, starts_at, ends_at, source)"
    " VALUES (:id, :id, 'URGENCE_7J', :at, :now, 'test')"
)
_PAYMENT = (
    "INSERT INTO payments (id, user_id, plan, amount_cents, status, paid_at) VALUES (:id, {user}, 'URGENCE_7J', 499,"
    " 'COMPLETED', :at)"
)
_END = (
    "INSERT INTO payment_events (id, payment_id, kind, at, recorded_at) VALUES (:id, :id, '{}', {},"
    " CAST(:at AS timestamptz))"
)
_INVOICE = (
    "INSERT INTO invoices (id, kind, number, payment_id, transaction_id, amount_cents, issued_at, contents, pdf_key,"
    " pdf_made_at) VALUES (gen_random_uuid(), 'invoice', '{number}', gen_random_uuid(), gen_random_uuid(), 499, :{at},"
    " '{{}}', 'key', {file})"
)
_COUNTER = (
    "INSERT INTO invoice_counters (year, kind, last_number, last_issued_at) VALUES (2026, 'invoice', {}, :at)"
)


def message(kind: str, state: str = _SENT, receipt: str = _NEVER) -> str:
    return _MESSAGE.format(kind=kind, state=state, receipt=receipt)


def invoice(number: str, at: str = "at", file: str = ":at") -> str:
    return _INVOICE.format(number=number, at=at, file=file)


FAULTS = {
    "a detection was not matched": [
        _DETECTION
    ],
    "a message does not leave": [message("slot_detected", "'pending', NULL"), _GRANT],
    "an alert told a contact of a slot twice": [
        _GRANT,
        "INSERT INTO matches SELECT :id, :id, :id, 1, CAST(:at AS timestamptz), :id, CAST('{[3,5)}' AS int8multirange)",
        *[message("slot_detected")] * 2,
        "UPDATE notifications SET announcement_id = :id",
    ],
    "a message has no receipt": [message("welcome", receipt="CAST(:at AS timestamptz)")],
    "somebody without a plan was told of a slot": [message("slot_detected")],
    "a number was called again after a person answered": [
        message("slot_call"),
        "UPDATE notifications SET id = :id",
        ("INSERT INTO provider_events (id, provider, event_id, notification_ids, kind, at, applied_at, received_at)"
        " VALUES (:id, 'twilio', 'ring 1', ARRAY[CAST(:id AS uuid)], 'delivered', :at, :at, CAST(:at AS timestamptz) - interval '1 min')"),
    ],
    "a job failed for good, or is late": [
        "INSERT INTO jobs (name, due_at) VALUES ('check_days', :at)"
    ],
    "an export is not made": [
        "INSERT INTO exports (id, user_id, requested_at, next_attempt_at) VALUES (:id, :id, :at, :at)"
    ],
    "a payment has no invoice, or two": [_PAYMENT.format(user="NULL")],
    "a refund has no credit note, or two": [
        "INSERT INTO refunds (id, payment_id, amount_cents, reason, status) VALUES (:id, :id, 5, 'outage', 'succeeded')",
        "INSERT INTO stripe_ids (id, kind, refund_id) VALUES ('re_1', 'refund', :id)",
        "INSERT INTO book_transactions (id, cause, kind, at) VALUES (:id, 're_1\\:succeeded', 'paid', :at)",
    ],
    "a document has no file": [_COUNTER.format(1), invoice("F2026-000001", file="NULL")],
    "a number of a document is missing": [_COUNTER.format(2), invoice("F2026-000001")],
    "a document is older than the number before it": [
        _COUNTER.format(2), invoice("F2026-000001", at="now"), invoice("F2026-000002"),
    ],
    "a paid payment gave no plan, or two": [
        _PAYMENT.format(user=":id"), _COUNTER.format(1), invoice("F2026-000001"),
        "UPDATE invoices SET payment_id = :id",
    ],
    "an event of Stripe waits, or was given up": [
        "INSERT INTO stripe_events (id, type, created_at, received_at, next_attempt_at) VALUES ('evt', 'a', :at, :at, :at)"
    ],
    "a withdrawal has no effect": [
        _WITHDRAWAL
    ],
}  # fmt: skip


def plant(statements: list[str], age: timedelta = timedelta(hours=3)) -> None:
    """Write what no program may, so old: without foreign keys."""
    values = {"id": uuid4(), "at": clock() - age, "now": clock()}
    with session() as s:
        s.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for text in statements:
            s.execute(sa.text(text), {name: each for name, each in values.items() if f":{name}" in text})


def find() -> list[str]:
    """Return the checks that the job alarms of."""
    jobs.check_promises()
    return [incident.subject.rpartition(" ")[0] for incident in factories.rows(Incident)]


def empty(database: str) -> None:
    databases.empty(str(make_url(database).database))


def test_each_check_finds_its_fault(database: str) -> None:
    assert set(FAULTS) == set(QUERIES)
    assert find() == []
    for check, statements in FAULTS.items():
        plant(statements)
        assert find() == [check]
        empty(database)


def test_a_plan_that_a_wrong_clock_ended_before_it_began_broke_no_promise_near_its_end(database: str) -> None:
    """It leaves no grant, however it ended; what happened long before excuses nothing."""

    def end(by: str, days: int) -> None:
        ended = _END.format(by, f"CAST(:at AS timestamptz) - interval '{days} days'")
        plant([message("slot_detected"), _PAYMENT.format(user=":id"), ended])

    ways = ("plan_ended", "withdrawn", "refunded", "dispute_lost")
    for way in ways:
        end(way, days=1)
    assert "somebody without a plan was told of a slot" not in find()
    for way in ways:
        empty(database)
        end(way, days=3)
        assert "somebody without a plan was told of a slot" in find(), way


def test_who_is_told_without_a_plan_of_what_people_report_broke_no_promise(database: str) -> None:
    plant([message("slot_detected"), 'UPDATE notifications SET params = params || \'{"source": "report"}\''])
    assert find() == []


def test_what_is_younger_than_an_hour_may_still_come_right(database: str) -> None:
    plant(FAULTS["a detection was not matched"], age=timedelta(minutes=50))
    assert find() == []


def test_operators_are_alarmed_once_a_day(database: str) -> None:
    add_operator(Channel.TELEGRAM)
    plant(FAULTS["an export is not made"])
    assert jobs.check_promises() == {"mails": 1}
    assert jobs.check_promises() == {"mails": 0}
    assert list_written() == [Written("operations_alarm", Channel.TELEGRAM, again=False)]
    incident = factories.one(Incident)
    assert incident.reason is IncidentReason.SELF_CHECK
    assert incident.subject.startswith("an export is not made 20")


DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def user(created_at: datetime | None = None) -> UUID:
    return factories.add_user(created_at=created_at or clock() - 9 * DAY).id


def hold(plan: PlanName, starts_at: datetime, ends_at: datetime, who: UUID | None = None) -> UUID:
    who = who or user()
    factories.add_grant(who, plan, starts_at=starts_at, ends_at=ends_at)
    return who


def send(at: datetime, **columns: Any) -> UUID:
    unseen: dict[str, Any] = dict.fromkeys(("seen_at", "committed_at", "matched_at"))
    return factories.add_slot_message(at, None, **unseen | columns)


def count() -> dict[str, Any]:
    with session() as s:
        return count_events(s, clock() - DAY, clock())


def measure() -> dict[str, Any]:
    with session() as s:
        return measure_day(s, clock() - DAY, clock())


def read_message() -> str:
    """Return the text of the only message."""
    return render_row(factories.one(Notification, Notification.kind.startswith("operations_"))).html


def test_accounts_and_requests_of_the_time_are_counted_and_what_was_told_at_once_by_case() -> None:
    for at in (clock() - DAY - HOUR, clock() - DAY, clock() - HOUR, clock()):
        user(at)
        factories.save(SupportRequest(email="x@example.org", message="?", created_at=at))
    assert (count()["accounts"], count()["support"]) == (2, 2)
    for _ in range(3):  # to three admins
        send(clock() - HOUR, kind="payment_trouble", params={"trouble": "refund_failed", "detail": "re_1"})
        send(clock() - HOUR, kind="hoarding", params={"user": "0190"})
    send(clock() - 2 * DAY, kind="hoarding", params={"user": "0191"})
    assert (count()["payments"], count()["hoarding"]) == (1, 1)


def test_plans_that_begin_end_and_change_are_counted_and_renewals_are_not() -> None:
    now = clock()
    hold(PlanName.URGENCE_24H, now - HOUR, now + 23 * HOUR)
    hold(PlanName.URGENCE_24H, now - 25 * HOUR, now - HOUR)  # begun before the time, ended in it
    renews = hold(PlanName.URGENCE_TOTAL, now - 31 * DAY, now - HOUR)
    hold(PlanName.URGENCE_TOTAL, now - HOUR, now + 29 * DAY, renews)
    changes = hold(PlanName.URGENCE_7J, now - 2 * DAY, now + 5 * DAY)
    hold(PlanName.URGENCE_TOTAL, now - HOUR, now + 30 * DAY, changes)
    assert count()["begun"] == {"URGENCE_24H": 1, "URGENCE_TOTAL": 1}
    assert count()["ended"] == {"URGENCE_24H": 1}


def test_people_whom_an_organisation_helps_are_no_accounts_and_buy_no_plan() -> None:
    owner = user(clock() - 2 * DAY)
    helped = factories.add_beneficiary(factories.add_organisation(owner).id)
    factories.save(
        Grant(
            user_id=helped, plan=PlanName.URGENCE_TOTAL, source="organisation", starts_at=clock() - HOUR,
            ends_at=clock() - HOUR / 2,
        )
    )  # fmt: skip
    assert (count()["accounts"], count()["begun"], count()["ended"]) == (0, {}, {})


def test_open_alarms_are_listed_until_somebody_acknowledges_them() -> None:
    told: dict[str, Any] = {"alarm_kind": "desk_trouble", "alarm_params": {}, "told_at": clock() - HOUR}
    factories.add_incident(subject="a:443", reason=IncidentReason.CAPTCHA, **told)
    factories.add_incident(subject="b:443", reason=IncidentReason.BLOCKED, acknowledged_at=clock(), **told)
    factories.add_incident(subject="c:443", reason=IncidentReason.BLOCKED, ends_at=clock(), **told)
    factories.add_incident(subject="d:443", reason=IncidentReason.MAINTENANCE)
    found = count()
    assert (found["raised"], found["unanswered"], found["open"]) == (3, 2, 1)
    assert found["listed"] == [{"name": "captcha", "subject": "a:443"}]


def test_the_digest_reads_as_french() -> None:
    add_operator(Channel.TELEGRAM)
    hold(PlanName.URGENCE_7J, clock() - HOUR, clock() + DAY)
    factories.add_incident(
        alarm_kind="operations_alarm", alarm_params={}, told_at=clock() - HOUR, subject="<sendgrid>"
    )
    with session() as s:
        write_digest(s, clock() - DAY, clock())
    text = read_message()
    assert "Du 19 novembre 2026 à 10:00 au 20 novembre 2026 à 10:00, heure de Paris" in text
    assert "URGENCE 7J commencée : 1" in text
    assert "Prestataire d’envoi en panne : &lt;sendgrid&gt;" in text
    assert "None" not in text


def test_sales_and_refunds_of_the_time_are_summed_up() -> None:
    now = clock()
    with session() as s:
        for at, cents in ((now - HOUR, 1499), (now - 2 * HOUR, 1499), (now - 2 * DAY, 499)):
            s.add(
                Payment(
                    plan=PlanName.URGENCE_7J, amount_cents=cents, status=PaymentStatus.COMPLETED, paid_at=at,
                    created_at=at,
                )
            )  # fmt: skip
        s.flush()
        payment = s.scalars(sa.select(Payment).where(Payment.amount_cents == 1499)).first()
        assert payment
        for status, cents in ((RefundStatus.SUCCEEDED, 400), (RefundStatus.FAILED, 50)):
            s.add(
                Refund(
                    payment_id=payment.id, amount_cents=cents, reason=RefundReason.OPERATOR, status=status,
                    created_at=now - HOUR,
                )
            )  # fmt: skip
    found = measure()
    assert (found["sales"], found["sales_cents"], found["refunded_cents"]) == ({"URGENCE_7J": 2}, 2998, 400)


def test_failures_and_the_cost_of_sms_are_counted() -> None:
    at = clock() - HOUR
    ended = {"reason": "test", "failed_at": at}
    send(at, state=State.FAILED, kind="verify_email", **ended)
    for cost in ("0.075", "0.15"):
        send(at, channel=Channel.SMS, state=State.SENT, accepted_at=at, cost=Decimal(cost))
    for result in JobResult:
        factories.add_job(result.value, result, at)
    found = measure()
    assert (found["failed"], found["jobs"]) == (1, 1)
    assert (found["sms"], Decimal(found["sms_cost"])) == (2, Decimal("0.225"))


def test_answers_of_people_who_found_an_appointment_are_counted() -> None:
    for hours, went_well in ((1, True), (2, True), (3, False), (30, False)):
        alert_id = factories.add_alert(user())
        factories.save(Appointment(
            alert_id=alert_id, may_ask=True, answered_at=clock() - hours * HOUR, went_well=went_well,
            dropped_at=clock() + DAY,
        ))  # fmt: skip
    found = measure()
    assert (found["answers"], found["went_well"]) == (3, 2)


def test_the_report_reads_as_french() -> None:
    add_operator(Channel.TELEGRAM)
    factories.see("2026-12-01", at=clock() - HOUR)
    user(clock() - HOUR)
    send(
        clock() - HOUR,
        seen_at=clock() - HOUR,
        accepted_at=clock() - HOUR,
        committed_at=clock(),
        state=State.SENT,
    )
    with session() as s:
        write_report(s, clock() - DAY, clock())
    text = read_message()
    assert "<b>Détections</b> : 1" in text
    assert "Alertes de créneaux : 1 acceptée sur 1" in text
    assert "De la page au message : 0,0\N{NO-BREAK SPACE}s (médiane)" in text
    assert "SMS : 0, 0,00\N{NO-BREAK SPACE}€" in text
    assert "None" not in text
