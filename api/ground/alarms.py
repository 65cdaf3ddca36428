"""Alarms of incidents: opened for one moment, repeated without acknowledgement, acknowledged; their French names."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import notifier
from api.ground.messages import ask_deliver_later
from api.models.incident import Incident, IncidentReason
from configs.ground.clock import clock

# An alarm that no operator acknowledged within this time goes out once more, on another channel
_ALARM_REPEAT_SECONDS = 900

_LISTED = 20
# The incident is open, and its alarm has no acknowledgement.
IS_UNANSWERED = (
    Incident.alarm_kind.is_not(None),
    Incident.acknowledged_at.is_(None),
    Incident.ends_at.is_(None),
)


def open_alarm(
    session: Session, reason: IncidentReason, subject: str, kind: str, params: dict[str, Any]
) -> None:
    """Write the alarm of what happened at this moment, once for each subject."""
    now = clock()
    known = sa.exists().where(Incident.subject == subject, Incident.reason == reason)
    if session.scalar(sa.select(known)):
        return
    values = {"subject": subject, "reason": reason, "starts_at": now, "seen_at": now}
    made = insert(Incident).values(values).on_conflict_do_nothing().returning(Incident)
    if incident := session.scalars(made).one_or_none():  # none: another process has written it meanwhile
        ask_deliver_later(session, notifier.raise_alarm(session, incident, kind, params, now))


def repeat_alarms(session: Session) -> None:
    """Send alarms without an acknowledgement within ALARM_REPEAT_SECONDS once more."""
    now = clock()
    due = (
        sa.select(Incident)
        .where(
            Incident.alarm_kind.is_not(None),
            Incident.repeated_at.is_(None),
            Incident.acknowledged_at.is_(None),
            Incident.told_at <= now - timedelta(seconds=_ALARM_REPEAT_SECONDS),
        )
        .order_by(Incident.id)
        .with_for_update(skip_locked=True)
    )
    for each in session.scalars(due).all():
        ask_deliver_later(session, notifier.repeat_alarm(session, each, now))


def list_unanswered(session: Session) -> list[Incident]:
    """Return the open incidents whose alarm has no acknowledgement, the newest first, twenty at most."""
    query = sa.select(Incident).where(*IS_UNANSWERED).order_by(Incident.id.desc())
    return list(session.scalars(query.limit(_LISTED)))


def acknowledge(session: Session, incident_id: int) -> Incident | None:
    """Acknowledge an incident's alarm, which is then not repeated; a repetition changes nothing.

    What happened at one moment is over by that. Returns None where there is no such incident.
    """
    incident = session.get(Incident, incident_id, with_for_update=True)
    if incident is None or incident.acknowledged_at is not None:
        return incident
    incident.acknowledged_at = now = clock()
    if incident.reason.of_moment and incident.ends_at is None:
        incident.ends_at = max(incident.starts_at, now)
    return incident


_NAMES = {
    IncidentReason.CAPTCHA: "captcha",
    IncidentReason.BLOCKED: "site qui nous refuse",
    IncidentReason.RATE_LIMITED: "site qui demande de ralentir",
    IncidentReason.OVERLOADED: "site surchargé",
    IncidentReason.MAINTENANCE: "site en maintenance",
    IncidentReason.CLOSED: "page de rendez-vous fermée",
    IncidentReason.UNREACHABLE: "site qui ne répond plus",
    IncidentReason.UNREADABLE: "page qui n’est plus comprise",
    IncidentReason.UNLINKED: "page sans lien de la préfecture",
    IncidentReason.SILENT: "aucune réponse sûre",
    IncidentReason.HORIZON: "créneaux au-delà de l’horizon",
    IncidentReason.FORBIDDEN: "robots.txt qui interdit nos pages",
    IncidentReason.PART_DOWN: "partie du service en panne",
    IncidentReason.PART_DEGRADED: "partie du service qui fonctionne mal",
    IncidentReason.PROVIDER_DOWN: "prestataire d’envoi en panne",
    IncidentReason.OLD_QUEUE: "messages en attente",
    IncidentReason.QUOTA: "quota d’un prestataire atteint",
    IncidentReason.LOW_DELIVERY: "messages qui n’arrivent pas",
    IncidentReason.SPAM_REPORTS: "e-mails signalés comme indésirables",
    IncidentReason.DEAD_LETTERS: "messages abandonnés",
    IncidentReason.HELD_BOUNCES: "adresses refusées en nombre",
    IncidentReason.SMS_CEILING: "plafond des SMS atteint",
    IncidentReason.MAIL_CEILING: "moitié du plafond des e-mails demandés par des inconnus",
    IncidentReason.FAILURES_RISING: "paiements refusés en hausse",
    IncidentReason.FRAUD_WARNING: "soupçon de fraude",
    IncidentReason.REFUND_BLOCKED: "remboursement inconnu de Stripe",
    IncidentReason.FALSE_ALARMS: "fausses alertes signalées",
    IncidentReason.SELF_CHECK: "contrôle de nuit en échec",
}


def name_incident(reason: IncidentReason) -> str:
    """Return what an incident is called in a list."""
    return _NAMES[reason]
