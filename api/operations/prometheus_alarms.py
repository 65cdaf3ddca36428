"""Alarms of Prometheus as incidents: opened while Alertmanager says that one fires, ended when it says so.

Alertmanager repeats an alarm that fires each hour (deploy/prometheus/alertmanager.yml). Calls may come twice, two at
once, or in another order than they were made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import notifier
from api.models.incident import Incident, IncidentReason
from configs.clock import clock

_KIND = "operations_alarm"
_LOCK = 0x616C6D73  # of an advisory lock: a call that opens and one that ends the same incident take turns
_LATE = timedelta(minutes=5)  # a call may come so long after the one that was made after it
_TOLD = 5  # open alarms of one rule for which a message is written; the list of incidents has all
# After so long without a repetition nobody knows whether an alarm still fires: Alertmanager lost its memory.
UNHEARD_AFTER = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class PrometheusAlarm:
    """One alarm of a call of Alertmanager. Its texts are bounded and printable."""

    subject: str  # the rule's name, and the labels that tell its alarms apart: `QueueOld (queue=critical)`
    is_firing: bool
    starts_at: datetime  # the same in all calls about one firing
    severity: str  # `critical` or `warning`
    summary: str  # French, for operators
    runbook: str  # `docs/operations.md#queueold`


def store_alarms(session: Session, alarms: Sequence[PrometheusAlarm]) -> list[UUID]:
    """Open and end the incidents of one call; return the notifications of new ones, to nudge.

    A repetition of the call changes nothing. Where alarms of one subject fire and others of it ended, it fires.
    """
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    now = clock()
    firing = {each.subject: each for each in alarms if each.is_firing}
    for alarm in alarms:
        if alarm.subject not in firing:
            _end(session, alarm, now)
    written = [_open(session, alarm, now) for alarm in firing.values()]
    return [each for ids in written for each in ids]


def end_unheard(session: Session, now: datetime) -> None:
    """End the incidents that Alertmanager has not repeated for UNHEARD_AFTER, at their last repetition."""
    unheard = sa.update(Incident).where(
        Incident.reason == IncidentReason.PROMETHEUS_ALARM,
        Incident.ends_at.is_(None),
        Incident.seen_at <= now - UNHEARD_AFTER,
    )
    session.execute(unheard.values(ends_at=sa.func.greatest(Incident.starts_at, Incident.seen_at)))


def _open(session: Session, alarm: PrometheusAlarm, now: datetime) -> list[UUID]:
    """Open the incident of an alarm that fires, or see it again; return the notifications of a new one."""
    starts_at = min(alarm.starts_at, now)
    if _has_just_ended(session, alarm.subject, starts_at, now):
        return []
    values = {
        "subject": alarm.subject, "reason": IncidentReason.PROMETHEUS_ALARM,
        "starts_at": starts_at, "seen_at": now,
    }  # fmt: skip
    made = insert(Incident).values(values)
    incident = session.scalars(
        made.on_conflict_do_update(
            index_elements=[Incident.subject, Incident.reason],
            index_where=Incident.ends_at.is_(None),
            set_={"seen_at": sa.func.greatest(Incident.seen_at, made.excluded.seen_at)},
        ).returning(Incident)
    ).one()
    if incident.told_at is not None:
        return []
    rule = alarm.subject.partition(" (")[0]
    told = _count_told(session, rule)
    if told >= _TOLD:
        return []  # a repetition tells it once others are over
    summary = alarm.summary
    if told == _TOLD - 1:
        summary += f" (les alarmes suivantes de {rule} ne sont que dans /admin)"
    params = {
        "reason": IncidentReason.PROMETHEUS_ALARM.value, "subject": alarm.subject,
        "since": incident.starts_at.isoformat(), "severity": alarm.severity,
        "summary": summary, "runbook": alarm.runbook,
    }  # fmt: skip
    return notifier.raise_alarm(session, incident, _KIND, params, now)


def _count_told(session: Session, rule: str) -> int:
    """Return the number of a rule's open alarms for which messages were written."""
    query = sa.select(sa.func.count()).where(
        sa.func.split_part(Incident.subject, " (", 1) == rule,
        Incident.reason == IncidentReason.PROMETHEUS_ALARM,
        Incident.ends_at.is_(None),
        Incident.told_at.is_not(None),
    )
    return session.scalar(query) or 0


def _has_just_ended(session: Session, subject: str, starts_at: datetime, now: datetime) -> bool:
    """Whether the end of this very firing came before: a new firing has another start."""
    ended = sa.exists().where(
        *_is_of(subject), Incident.starts_at == starts_at, Incident.ends_at > now - _LATE
    )
    return bool(session.scalar(sa.select(ended)))


def _end(session: Session, alarm: PrometheusAlarm, now: datetime) -> None:
    """End the incident of an alarm. The end of an earlier firing ends no later one.

    Where the end comes first, a row that is over keeps its firing from being told.
    """
    starts_at = min(alarm.starts_at, now)
    ended = sa.update(Incident).where(
        *_is_of(alarm.subject), Incident.ends_at.is_(None), Incident.starts_at <= starts_at
    )
    ends_at = sa.func.greatest(Incident.starts_at, now)
    if session.execute(ended.values(ends_at=ends_at).returning(Incident.id)).first() is not None:
        return
    known = sa.exists().where(*_is_of(alarm.subject), Incident.starts_at >= starts_at)
    if not session.scalar(sa.select(known)):
        session.add(
            Incident(
                subject=alarm.subject, reason=IncidentReason.PROMETHEUS_ALARM,
                starts_at=starts_at, seen_at=starts_at, ends_at=now,
            )
        )  # fmt: skip


def _is_of(subject: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return Incident.subject == subject, Incident.reason == IncidentReason.PROMETHEUS_ALARM
