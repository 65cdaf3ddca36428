"""Rows for operators in the filled world: incidents, a host at rest, runs of jobs, entries of the audit."""

from datetime import timedelta
from uuid import UUID

from api.models.audit import ActorKind, AuditEntry
from api.models.base import session
from api.models.desk import HostState
from api.models.incident import Incident, IncidentReason
from api.models.job_run import JobResult, JobRun
from configs.clock import clock

_MINUTE = timedelta(minutes=1)


def write_operations(operator_id: UUID, host: str) -> int:
    """Write the rows; return the id of an incident of the host whose alarm waits for an operator."""
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
        s.flush()
        return incident.id


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
    given = {
        "actor_id": operator_id,
        "actor_kind": ActorKind.ADMIN,
        "subject_type": "host",
        "subject_id": host,
    }
    changes = {"stoppedAt": [None, at.isoformat()], "reason": "la préfecture nous a écrit"}
    return [
        AuditEntry(at=at, action="host.stop", changes=changes, **given),
        AuditEntry(at=at + _MINUTE, action="host.go", changes={"stoppedAt": [at.isoformat(), None]}, **given),
    ]
