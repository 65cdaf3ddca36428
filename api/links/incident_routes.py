"""Routes of the link by which an operator acknowledges an alarm."""

from flask import g, render_template
from sqlalchemy.orm import Session

from api.links.acknowledging import LinkedAlarm, acknowledge_alarm, find_alarm
from api.links.blueprint import blueprint
from api.middleware.languages import use_account_language
from api.models.base import session
from api.operations.alarms import list_unanswered
from api.operations.words import name_incident


@blueprint.get("/incident/<token>")
def ask_acknowledge(token: str) -> str:
    """Show the alarm that would be acknowledged."""
    with session() as s:
        return _render_incident_page(s, find_alarm(s, token))


@blueprint.post("/incident/<token>")
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
