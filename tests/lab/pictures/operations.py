"""Rows for operators: incidents, a host at rest, job runs, the audit; a customer, failed messages, Stripe's events."""

from datetime import timedelta
from uuid import UUID

from api.models.audit import ActorKind, AuditEntry
from api.models.base import session
from api.models.desk import HostState
from api.models.incident import IncidentReason
from api.models.job import JobResult
from api.models.notification import State
from api.models.stripe_event import StripeEventFlag
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.proofs import new_key
from configs.world.plan import PlanName
from tests import factories
from tests.lab.pictures.accounts import WATCHED, WATCHED_HOST

# Addresses of pages carry these.
CUSTOMER = UUID("01900000-0000-7000-8000-000000000001")
GRANT = UUID("01900000-0000-7000-8000-000000000002")
DETECTION = UUID("01900000-0000-7000-8000-000000000003")
EVENT = "evt_1QxShown"
_FAILURES = (  # provider, channel, reason
    *(("sendgrid", Channel.EMAIL, "attempts used up: sendgrid answered 500"),) * 3,
    ("twilio", Channel.SMS, "twilio answered 400: 21610"),
)
_MINUTE = timedelta(minutes=1)


def write_operations(operator_id: UUID) -> None:
    """Write the rows; the first incident is the host's, whose alarm waits for an operator."""
    now = clock()
    factories.add_incident(
        IncidentReason.BLOCKED, WATCHED_HOST, starts_at=now - 40 * _MINUTE, told_at=now - 38 * _MINUTE,
        repeated_at=now - 23 * _MINUTE, alarm_kind="host_blocked", alarm_params={},
    )  # fmt: skip
    began, ended = now - 900 * _MINUTE, now - 880 * _MINUTE
    factories.add_incident(
        IncidentReason.SMS_CEILING, "sms", starts_at=began, seen_at=began, told_at=began, ends_at=ended,
        acknowledged_at=ended, alarm_kind="sms_ceiling", alarm_params={},
    )  # fmt: skip
    with session() as s:
        s.merge(
            HostState(
                host=WATCHED_HOST, budget_share=0.5, rests_in_a_row=2, rests_until=now + 12 * _MINUTE,
                rest_reason="blocked: 403 from the front page",
            )
        )  # fmt: skip
    run = {"started_at": now - 9 * _MINUTE, "attempts": 1}
    factories.add_job("keep_partitions", JobResult.DONE, now - 8 * _MINUTE, counts={"made": 1}, **run)
    factories.add_job("sum_days", JobResult.DONE, now - 8 * _MINUTE, counts={"desks": 136}, **run)
    factories.add_job(
        "reconcile_payments", JobResult.FAILED, now - 8 * _MINUTE, error="APIConnectionError", **run
    )
    at = now - 30 * _MINUTE
    by = {"actor_id": operator_id, "actor_kind": ActorKind.ADMIN}
    given = {**by, "subject_type": "host", "subject_id": WATCHED_HOST}
    changes = {"stoppedAt": [None, at.isoformat()], "reason": "la préfecture nous a écrit"}
    undone = {"stoppedAt": [at.isoformat(), None]}
    factories.save_all(
        [
            AuditEntry(at=at, action="host.stop", changes=changes, **given),
            AuditEntry(at=at + _MINUTE, action="host.go", changes=undone, **given),
        ]
    )


def write_customer() -> None:
    """Write what operators see of a customer and of a desk."""
    now = clock()
    factories.add_user("sacha.martin@example.org", id=CUSTOMER)
    factories.add_grant(CUSTOMER, PlanName.URGENCE_7J, days=7, starts=-1, id=GRANT, source="admin")
    factories.add_grant(CUSTOMER, PlanName.URGENCE_7J, days=7, starts=-30, source="payment")
    seen_at = now - 50 * _MINUTE
    shown = {"id": DETECTION, "proof_key": new_key(seen_at), "matched_at": seen_at}
    detection, slots = factories.see(
        "2027-02-03", "2027-02-04", desk_id=WATCHED, at=seen_at, seats=3, **shown
    )
    match = factories.add_match(factories.add_alert(CUSTOMER), detection, slots)
    factories.add_answer(match, at=seen_at + 4 * _MINUTE)
    for number, (provider, channel, reason) in enumerate(_FAILURES):
        failed = {"state": State.FAILED, "failed_at": now - number * 7 * _MINUTE, "attempts": 5}
        factories.add_message(CUSTOMER, channel=channel, provider=provider, reason=reason, **failed)
    at = now - 20 * _MINUTE
    session_paid = {"type": "checkout.session.completed", "object_type": "checkout.session", "created_at": at}
    factories.add_stripe_event("evt_1QxDone", object_id="cs_1QxDone", **session_paid)
    gave_up = {"attempts": 12, "flag": StripeEventFlag.GAVE_UP, "error": "APIConnectionError"}
    factories.add_stripe_event(
        EVENT, object_id="cs_1QxShown", received_at=at, applied_at=None, **gave_up, **session_paid
    )
    factories.add_difference()
