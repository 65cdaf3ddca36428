"""Alerts of people whom an organisation helps, by its members: the use cases of /api/alerts, on the person's row."""

from uuid import UUID

from sqlalchemy.orm import Session

from api.alerts.answer_matches import find_matches_of_alert
from api.alerts.answers import store_answers
from api.alerts.appointments import close_as_found
from api.alerts.health_consent import list_revealing
from api.alerts.schemas import FoundAppointment, NewAlert, Voice
from api.alerts.service import create_alert, delete_alert, get_owned, switch_alert, take_wish
from api.alerts.wishes import resolve_wish
from api.ground.errors import ApiError
from api.models.alert import Alert
from api.models.answer import AnswerValue, AnswerVia
from api.organisations.callers import Caller, Right, note_act
from api.organisations.people import find_person


def add_alert(session: Session, caller: Caller, person_id: UUID, wish: NewAlert) -> Alert:
    """Have a person wait for slots. A name is left out, for messages would carry it; calls go to accounts alone.

    Where desks reveal health it is paused until the person agrees (`agree_to_alert`): the member's word is not enough.

    Raises:
        ApiError: 403; 404; as `take_wish`.
    """
    find_person(session, caller, person_id, Right.HELP)
    wish = wish.model_copy(update={"name": None, "language": None, "voice": Voice(), "accept_health": True})
    found = resolve_wish(session, wish)
    if list_revealing(found.targets):
        alert = create_alert(session, person_id, found, paused=True)
        # Free no more, either: a desk that checks begin to see would enable it
        alert.enabled, alert.is_free, alert.consent, alert.consented_at = False, False, None, None
    else:
        alert = take_wish(session, person_id, wish)
    note_act(session, caller, "person.alert", "person", person_id, alert=str(alert.id))
    return alert


def needs_consent(alert: Alert) -> bool:
    """Return whether an alert waits for the person's own consent: its desks reveal health."""
    return alert.consented_at is None and bool(list_revealing(alert.targets))


def switch_person_alert(
    session: Session, caller: Caller, person_id: UUID, alert_id: UUID, *, enabled: bool
) -> Alert:
    """Pause an alert of a person, or let it wait again.

    Raises:
        ApiError: 403; 404; 409 health-consent, the person has not agreed; as `switch_alert`.
    """
    find_person(session, caller, person_id, Right.HELP)
    if enabled and needs_consent(get_owned(session, person_id, alert_id)):
        detail = "what this alert waits for reveals health: the person agrees, by the link in our message"
        raise ApiError(409, "health-consent", detail)
    note_act(session, caller, "person.alert", "person", person_id, alert=str(alert_id), enabled=enabled)
    return switch_alert(session, person_id, alert_id, enabled=enabled)


def end_person_alert(session: Session, caller: Caller, person_id: UUID, alert_id: UUID) -> None:
    """End an alert of a person for good.

    Raises:
        ApiError: 403; 404.
    """
    find_person(session, caller, person_id, Right.HELP)
    delete_alert(session, person_id, alert_id)
    note_act(session, caller, "person.alert", "person", person_id, alert=str(alert_id), ended=True)


def mark_found(
    session: Session, caller: Caller, person_id: UUID, alert_id: UUID, found: FoundAppointment
) -> Alert:
    """Close an alert whose person has an appointment, for all members: messages that wait are not sent any more.

    Raises:
        ApiError: 403; 404; 409 where it is closed already.
    """
    find_person(session, caller, person_id, Right.HELP)
    alert = close_as_found(session, person_id, alert_id, found)
    session.flush()
    if announced := find_matches_of_alert(session, alert_id, None):
        store_answers(session, person_id, announced, AnswerValue.FOUND, AnswerVia.API)
    note_act(session, caller, "person.found", "person", person_id, alert=str(alert_id))
    return alert
