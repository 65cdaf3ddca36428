"""The digest of 9:00 and the report of 19:00: what they count, and that they stay one message."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from api.models.appointment import Appointment
from api.models.base import session
from api.models.incident import IncidentReason
from api.models.job import JobResult
from api.models.notification import Notification, State
from api.models.payment import Payment, PaymentStatus, Refund, RefundReason, RefundStatus
from api.models.support import SupportRequest
from api.models.user import Channel
from api.operations.daily_messages import count_events, measure_day, write_digest, write_report
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.messages import render_row
from tests.api.operations.operators import add_operator
from tests.factories import (
    add_alert,
    add_grant,
    add_incident,
    add_job,
    add_slot_message,
    add_user,
    one,
    save,
    see,
)

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def user(created_at: datetime | None = None) -> UUID:
    return add_user(created_at=created_at or clock() - 9 * DAY).id


def hold(plan: PlanName, starts_at: datetime, ends_at: datetime, who: UUID | None = None) -> UUID:
    who = who or user()
    add_grant(who, plan, starts_at=starts_at, ends_at=ends_at)
    return who


def send(at: datetime, **columns: Any) -> UUID:
    unseen: dict[str, Any] = dict.fromkeys(("seen_at", "committed_at", "matched_at"))
    return add_slot_message(at, None, **unseen | columns)


def count() -> dict[str, Any]:
    with session() as s:
        return count_events(s, clock() - DAY, clock())


def measure() -> dict[str, Any]:
    with session() as s:
        return measure_day(s, clock() - DAY, clock())


def read_message() -> str:
    """Return the text of the only message."""
    return render_row(one(Notification, Notification.kind.startswith("operations_"))).html


def test_accounts_and_requests_of_the_time_are_counted_and_what_was_told_at_once_by_case() -> None:
    for at in (clock() - DAY - HOUR, clock() - DAY, clock() - HOUR, clock()):
        user(at)
        save(SupportRequest(email="x@example.org", message="?", created_at=at))
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


def test_open_alarms_are_listed_until_somebody_acknowledges_them() -> None:
    told: dict[str, Any] = {"alarm_kind": "desk_trouble", "alarm_params": {}, "told_at": clock() - HOUR}
    add_incident(subject="a:443", reason=IncidentReason.CAPTCHA, **told)
    add_incident(subject="b:443", reason=IncidentReason.BLOCKED, acknowledged_at=clock(), **told)
    add_incident(subject="c:443", reason=IncidentReason.BLOCKED, ends_at=clock(), **told)
    add_incident(subject="d:443", reason=IncidentReason.MAINTENANCE)
    found = count()
    assert (found["raised"], found["unanswered"], found["open"]) == (3, 2, 1)
    assert found["listed"] == [{"name": "captcha", "subject": "a:443"}]


def test_the_digest_reads_as_french() -> None:
    add_operator(Channel.TELEGRAM)
    hold(PlanName.URGENCE_7J, clock() - HOUR, clock() + DAY)
    add_incident(alarm_kind="operations_alarm", alarm_params={}, told_at=clock() - HOUR, subject="<sendgrid>")
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
        add_job(result.value, result, at)
    found = measure()
    assert (found["failed"], found["jobs"]) == (1, 1)
    assert (found["sms"], Decimal(found["sms_cost"])) == (2, Decimal("0.225"))


def test_answers_of_people_who_found_an_appointment_are_counted() -> None:
    for hours, went_well in ((1, True), (2, True), (3, False), (30, False)):
        alert_id = add_alert(user())
        save(Appointment(
            alert_id=alert_id, may_ask=True, answered_at=clock() - hours * HOUR, went_well=went_well,
            dropped_at=clock() + DAY,
        ))  # fmt: skip
    found = measure()
    assert (found["answers"], found["went_well"]) == (3, 2)


def test_the_report_reads_as_french() -> None:
    add_operator(Channel.TELEGRAM)
    see("2026-12-01", at=clock() - HOUR)
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
