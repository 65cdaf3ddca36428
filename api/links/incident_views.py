"""Acknowledgement of an alarm by the link in its message, for the operator whom it was sent to."""

from dataclasses import dataclass

from flask import g, render_template
from sqlalchemy.orm import Session

from api.middleware.languages import use_account_language
from api.models.audit import ActorKind, AuditEntry
from api.models.base import session
from api.models.incident import Incident
from api.models.user import Role, User
from api.operations import alarms
from api.operations.alarms import list_unanswered, name_incident
from configs.ground.clock import clock
from configs.ground.signed_links import AcknowledgeIncident, read_token


@dataclass(frozen=True, slots=True)
class LinkedAlarm:
    """The incident and the operator of a link."""

    incident: Incident
    operator: User


def find_alarm(session: Session, token: str) -> LinkedAlarm | None:
    """Return what a token acknowledges; None where the incident is gone, or its reader is no operator any more.

    Raises:
        configs.ground.signing.LinkRefused: it is expired or forged.
    """
    link = read_token(AcknowledgeIncident, token)
    user, incident = session.get(User, link.user), session.get(Incident, link.incident)
    if user is None or incident is None or user.role is Role.USER:
        return None
    return LinkedAlarm(incident, user)


def acknowledge_alarm(session: Session, alarm: LinkedAlarm, request_id: str) -> None:
    """Acknowledge an alarm, with its row in the audit; a repetition changes nothing and adds none."""
    session.refresh(alarm.incident, with_for_update=True)
    if alarm.incident.acknowledged_at is not None:
        return
    alarms.acknowledge(session, alarm.incident.id)
    session.add(
        AuditEntry(
            at=clock(),
            actor_id=alarm.operator.id,
            actor_kind=ActorKind(alarm.operator.role.value),
            action="incident.acknowledge",
            subject_type="incident",
            subject_id=str(alarm.incident.id),
            request_id=request_id,
            changes={"by": "link"},
        )
    )


def ask_acknowledge(token: str) -> str:
    """Show the alarm that would be acknowledged."""
    with session() as s:
        return _render_incident_page(s, find_alarm(s, token))


def acknowledge(token: str) -> str:
    """Acknowledge an alarm, so that it is not repeated."""
    with session() as s:
        alarm = find_alarm(s, token)
        if alarm:
            acknowledge_alarm(s, alarm, g.request_id)
        return _render_incident_page(s, alarm)


def _render_incident_page(s: Session, alarm: LinkedAlarm | None) -> str:
    if alarm is None:
        return render_template("incident.html", alarm=None, others=[])
    use_account_language(alarm.operator.language)
    others = [
        {"name": name_incident(each.reason), "subject": each.subject}
        for each in list_unanswered(s)
        if each.id != alarm.incident.id
    ]
    name = name_incident(alarm.incident.reason)
    return render_template("incident.html", alarm=alarm, name=name, others=others)
