"""Rows for operators: incidents, a host at rest, job runs, the audit; a customer, failed messages, Stripe's events."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.alert import Alert, AlertTarget
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.audit import ActorKind, AuditEntry
from api.models.base import session
from api.models.desk import HostState
from api.models.incident import Incident, IncidentReason
from api.models.job_run import JobResult, JobRun
from api.models.notification import Match, Notification, Priority, State
from api.models.slot import Detection, SlotRow
from api.models.stripe_event import PaymentDifference, StripeEvent, StripeEventFlag
from api.models.user import Channel, Contact, Grant, User
from configs.ground.clock import clock
from configs.ground.proofs import new_key
from configs.world.plan import PlanName
from configs.world.prefecture import Procedure, desks
from tests.lab.pictures.accounts import WATCHED, WATCHED_HOST

# Addresses of pages carry these.
CUSTOMER = UUID("01900000-0000-7000-8000-000000000001")
GRANT = UUID("01900000-0000-7000-8000-000000000002")
DETECTION = UUID("01900000-0000-7000-8000-000000000003")
EVENT = "evt_1QxShown"
_FIRST_SLOT = 10**9  # behind those of history, which do not come from the sequence
_FAILURES = (  # provider, channel, reason
    *(("sendgrid", Channel.EMAIL, "attempts used up: sendgrid answered 500"),) * 3,
    ("twilio", Channel.SMS, "twilio answered 400: 21610"),
)
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


def write_operations(operator_id: UUID) -> None:
    """Write the rows; the first incident is the host's, whose alarm waits for an operator."""
    host = WATCHED_HOST
    now = clock()
    with session() as s:
        incident = Incident(
            subject=host, reason=IncidentReason.BLOCKED, starts_at=now - 40 * _MINUTE, seen_at=now,
            told_at=now - 38 * _MINUTE, repeated_at=now - 23 * _MINUTE, alarm_kind="host_blocked", alarm_params={},
        )  # fmt: skip
        s.add(incident)
        s.add(
            Incident(
                subject="sms", reason=IncidentReason.SMS_CEILING, starts_at=now - 900 * _MINUTE,
                seen_at=now - 900 * _MINUTE, ends_at=now - 880 * _MINUTE, told_at=now - 900 * _MINUTE,
                alarm_kind="sms_ceiling", alarm_params={}, acknowledged_at=now - 880 * _MINUTE,
            )
        )  # fmt: skip
        s.merge(
            HostState(
                host=host, budget_share=0.5, rests_in_a_row=2, rests_until=now + 12 * _MINUTE,
                rest_reason="blocked: 403 from the front page",
            )
        )  # fmt: skip
        s.add_all(_make_runs())
        s.add_all(_make_audit(operator_id, host))


def _make_runs() -> list[JobRun]:
    now = clock()
    ends: tuple[tuple[str, JobResult, dict[str, int] | None, str | None], ...] = (
        ("make_partitions", JobResult.DONE, {"made": 1}, None),
        ("delivery_figures", JobResult.DONE, {"days": 2}, None),
        ("compare_payments", JobResult.FAILED, None, "APIConnectionError"),
    )
    return [
        JobRun(
            job=job, due_at=now - 10 * _MINUTE, started_at=now - 9 * _MINUTE, ended_at=now - 8 * _MINUTE,
            result=result, counts=counts, error=error, attempts=1, next_nudge_at=now,
        )
        for job, result, counts, error in ends
    ]  # fmt: skip


def _make_audit(operator_id: UUID, host: str) -> list[AuditEntry]:
    at = clock() - 30 * _MINUTE
    actor = {"actor_id": operator_id, "actor_kind": ActorKind.ADMIN}
    given = {**actor, "subject_type": "host", "subject_id": host}
    changes = {"stoppedAt": [None, at.isoformat()], "reason": "la préfecture nous a écrit"}
    return [
        AuditEntry(at=at, action="host.stop", changes=changes, **given),
        AuditEntry(at=at + _MINUTE, action="host.go", changes={"stoppedAt": [at.isoformat(), None]}, **given),
    ]


def write_customer() -> None:
    """Write what operators see of a customer and of a desk."""
    with session() as s:
        contact = _add_customer(s)
        s.flush()
        _add_detection(s)
        s.add_all(_make_letters(contact.id))
        s.add_all(_make_events())


def _add_customer(s: Session) -> Contact:
    now = clock()
    mail = Contact(
        channel=Channel.EMAIL, address="sacha.martin@example.org", enabled=True, verified_at=now - 9 * _DAY
    )
    s.add(User(id=CUSTOMER, email=mail.address, contacts=[mail]))
    s.flush()
    plan = {"user_id": CUSTOMER, "plan": PlanName.URGENCE_7J}
    s.add(Grant(id=GRANT, starts_at=now - _DAY, ends_at=now + 6 * _DAY, source="admin", **plan))
    s.add(Grant(starts_at=now - 30 * _DAY, ends_at=now - 23 * _DAY, source="payment", **plan))
    return mail


def _add_detection(s: Session) -> None:
    desk, at = desks()[WATCHED], clock() - 50 * _MINUTE
    slots = [
        SlotRow(
            id=_FIRST_SLOT + day, desk_id=WATCHED, place_key="shown", place_label="Guichet 4",
            moment=f"2027-02-0{day}", seats=day, url=desk.url, opened_at=at, seen_at=at + _MINUTE,
        )
        for day in (3, 4)
    ]  # fmt: skip
    detection = Detection(
        id=DETECTION, desk_id=WATCHED, prefecture_id=desk.prefecture_id, procedures=["TITRE_SEJOUR"], label=desk.label,
        site=desk.site, booking_url=desk.url, seen_at=at, committed_at=at, matched_at=at, slots=slots,
        proof_key=new_key(at),
    )  # fmt: skip
    target = AlertTarget(prefecture_id=desk.prefecture_id, procedure=Procedure.TITRE_SEJOUR)
    alert = Alert(user_id=CUSTOMER, targets=[target])
    s.add_all([detection, alert])
    s.flush()
    match = Match(alert_id=alert.id, detection_id=DETECTION, limits_version=1, decided_at=at)
    s.add(match)
    s.flush()
    s.add(
        MatchAnswer(
            match_id=match.id, value=AnswerValue.NOTHING_THERE, answered_at=at + 4 * _MINUTE, via=AnswerVia.EMAIL
        )
    )  # fmt: skip


def _make_letters(contact_id: UUID) -> list[Notification]:
    now = clock()
    return [
        Notification(
            user_id=CUSTOMER, contact_id=contact_id, channel=channel, provider=provider, reason=reason, attempts=5,
            kind="slot_detected", priority=Priority.CRITICAL, dedupe_key=f"shown-{number}", state=State.FAILED,
            failed_at=now - number * 7 * _MINUTE, next_attempt_at=now,
        )
        for number, (provider, channel, reason) in enumerate(_FAILURES)
    ]  # fmt: skip


def _make_events() -> list[StripeEvent | PaymentDifference]:
    at = clock() - 20 * _MINUTE
    given = {"type": "checkout.session.completed", "object_type": "checkout.session", "created_at": at}
    return [
        StripeEvent(
            id=EVENT, object_id="cs_1QxShown", received_at=at, attempts=12, flag=StripeEventFlag.GAVE_UP,
            error="APIConnectionError", **given,
        ),
        StripeEvent(id="evt_1QxDone", object_id="cs_1QxDone", received_at=at - _DAY, applied_at=at - _DAY, **given),
        PaymentDifference(
            found_at=at, object_id="pi_1QxShown", ours={"amount": 1499}, stripe={"amount": 999}, repaired=False
        ),
    ]  # fmt: skip
