"""The product's own alarms: what the list of health checks finds ill is an incident, and told once it has lasted.

What lasts is an incident from its first sight on, and is over once it has not been seen for INCIDENT_QUIET_SECONDS.
One that nobody was told of begins anew where it is back after a look that found all well.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from redis.exceptions import RedisError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import notifier
from api.admin.health.checks import CHECKS, HealthChecks
from api.admin.health.findings import PartDown, PartState, Trouble, read_session
from api.admin.health.program_checks import check_workers
from api.ground.alarms import open_alarm
from api.ground.messages import ask_deliver_later
from api.models.incident import INCIDENT_QUIET_SECONDS, OF_HEALTH, Incident, IncidentReason
from api.models.job import JobState
from api.models.notification import Notification, State, waits_as_wished
from configs.ground.clock import clock
from configs.ground.redis import open_redis
from configs.ground.text import format_duration

_JOB, _KIND = "watch_operations", "operations_alarm"
_PATIENCE = 10.0  # seconds for all checks of this job
_BREAKER = timedelta(minutes=2)  # a circuit breaker opens for less, too
_STUCK = timedelta(minutes=5)  # that an alarm's message waits while its providers are tried
_ALARM = "alarm:"  # begins the dedupe keys of alarms' messages (notifier/delivery/message_writer.py)
_WITH_ALARM = [check for check in CHECKS if check.alarm_after is not None]
_ALARM_AFTER = {check.name: check.alarm_after for check in _WITH_ALARM}
_LASTING = [each for each in OF_HEALTH if not each.of_moment]


def watch_operations(session: Session) -> None:
    """Bring the incidents of our operations up to now, and write new alarms."""
    now = clock()
    found = list(find_troubles())
    _store(session, [each for each in found if not each.reason.of_moment], now)
    for each in found:
        if each.reason.of_moment:
            open_alarm(session, each.reason, each.subject, _KIND, _describe(each, now))
    _raise_due(session, found, now)


def find_troubles() -> Iterator[Trouble]:
    """Yield what is wrong now, but the parts that Prometheus tells."""
    with open_redis() as client, closing(HealthChecks(client, _WITH_ALARM)) as health:
        report = health.read_findings(_PATIENCE)
    reasons = {PartState.DOWN: IncidentReason.PART_DOWN, PartState.DEGRADED: IncidentReason.PART_DEGRADED}
    for name, (state, text, troubles) in report.items():
        if state is not PartState.OK:
            yield from troubles or [Trouble(reasons[state], name, text)]


def find_hindrance() -> str | None:
    """Return why an alarm would not reach an operator now; None where it would."""
    try:
        with open_redis() as client:
            check_workers(client)
    except PartDown as down:
        return str(down)
    except RedisError as error:
        return f"Redis does not answer: {type(error).__name__}"
    n = Notification
    stuck = sa.exists().where(
        n.state.in_([State.PENDING, State.SENDING]),
        n.dedupe_key.startswith(_ALARM),
        n.created_at <= clock() - _STUCK,
        ~waits_as_wished(),
    )
    with read_session() as s:
        return f"alarms wait for {format_duration(_STUCK)} and more" if s.scalar(sa.select(stuck)) else None


def _store(session: Session, found: Sequence[Trouble], now: datetime) -> None:
    if found:
        rows = [
            {"subject": each.subject, "reason": each.reason, "starts_at": now, "seen_at": now}
            for each in found
        ]
        made = insert(Incident).values(rows)
        last_look = sa.select(JobState.done_for).where(JobState.name == _JOB).scalar_subquery()
        is_back = sa.and_(Incident.told_at.is_(None), Incident.seen_at < last_look)
        session.execute(
            made.on_conflict_do_update(
                index_elements=[Incident.subject, Incident.reason],
                index_where=Incident.ends_at.is_(None),
                set_={
                    "starts_at": sa.case((is_back, made.excluded.starts_at), else_=Incident.starts_at),
                    "seen_at": sa.func.greatest(Incident.seen_at, made.excluded.seen_at),
                },
            )
        )
    quiet = now - timedelta(seconds=INCIDENT_QUIET_SECONDS)
    over = sa.update(Incident).where(
        Incident.ends_at.is_(None), Incident.reason.in_(_LASTING), Incident.seen_at <= quiet
    )
    session.execute(over.values(ends_at=sa.func.greatest(Incident.starts_at, Incident.seen_at)))


def _raise_due(session: Session, found: Sequence[Trouble], now: datetime) -> None:
    """Write the alarms of what was found, and has lasted."""
    troubles = {(each.reason, each.subject): each for each in found}
    untold = sa.select(Incident).where(
        Incident.ends_at.is_(None), Incident.reason.in_(_LASTING),
        Incident.told_at.is_(None), Incident.acknowledged_at.is_(None),
    )  # fmt: skip
    for incident in session.scalars(untold.order_by(Incident.id)).all():
        trouble = troubles.get((incident.reason, incident.subject))
        if trouble and now - incident.starts_at >= _get_patience(trouble):
            params = _describe(trouble, incident.starts_at)
            ask_deliver_later(session, notifier.raise_alarm(session, incident, _KIND, params, now))


def _get_patience(trouble: Trouble) -> timedelta:
    """Return for how long a trouble must last; other troubles than a part's have waited in their check."""
    if trouble.reason in (IncidentReason.PART_DOWN, IncidentReason.PART_DEGRADED):
        return _ALARM_AFTER[trouble.subject.partition(":")[0]] or timedelta()
    return _BREAKER if trouble.reason is IncidentReason.PROVIDER_DOWN else timedelta()


def _describe(trouble: Trouble, since: datetime) -> dict[str, Any]:
    return {
        "reason": trouble.reason.value,
        "subject": trouble.subject,
        "since": since.isoformat(),
        "detail": trouble.text,
        **trouble.figures,
    }
