"""The appointment that a user found: its form, in the time of the prefecture, and its event for a calendar."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from icalendar import Calendar, Event
from pydantic import Field, ValidationError

from api.alerts.appointments import close_as_found
from api.alerts.schemas import AlertAnswer, Day, FoundAppointment, Hour
from api.errors import not_found
from api.models.base import session
from api.pages.error_texts import Texts
from api.pages.forms import Form
from api.schemas import Body, Flag
from configs.ground.clock import clock
from configs.world.desk import Text, zone_of
from configs.world.prefecture import prefectures

_l = lazy_gettext
_DOMAIN = "rdvpriority.fr"
_LASTS = timedelta(minutes=30)  # no prefecture says it
_PLACE_TOO_LONG = _l("200 caractères au plus.")
_TEXTS: Texts = {
    ("hour", "missing"): _l("Écrivez aussi l’heure."),
    ("day", "missing"): _l("Écrivez aussi le jour."),
    ("place", "too_long"): _PLACE_TOO_LONG,
    ("place", "string_too_long"): _PLACE_TOO_LONG,
}


class AppointmentForm(Body):
    """The fields of the form; day and hour as the clock of the prefecture shows them."""

    day: Day | None = None
    hour: Hour | None = None
    place: Annotated[Text, Field(max_length=200)] | None = None
    may_ask: Flag = False


def read_appointment(zone: str) -> Form[AppointmentForm]:
    """Return the form that was posted, each error beside its field."""
    form = Form.read(AppointmentForm, _TEXTS)
    if form.errors:
        return form
    if (form.value.day is None) is not (form.value.hour is None):
        form.add_error("hour" if form.value.hour is None else "day", "missing")
        return form
    try:
        _build(form.value, zone)
    except ValidationError as error:
        form.add_error("day", error.errors()[0]["type"])
    return form


def store_appointment(user_id: UUID, alert_id: UUID, found: AppointmentForm, zone: str) -> None:
    """Close the alert, and keep what was said of the appointment.

    Raises:
        api.errors.ApiError: 404; 409 where another tab closed it meanwhile.
    """
    with session() as s:
        close_as_found(s, user_id, alert_id, _build(found, zone))


def write_event(alert: AlertAnswer) -> bytes:
    """Return the appointment of a closed alert as an iCalendar file (RFC 5545).

    Raises:
        api.errors.ApiError: 404, when it is was not said.
    """
    known = alert.appointment
    if known is None or known.at is None:
        raise not_found("appointment")
    place = prefectures()[alert.prefecture_id]
    calendar = Calendar.new(prodid=f"-//RDVPriority//{_DOMAIN}//")
    starts_at = known.at.astimezone(UTC)  # as in the feed of releases: Outlook misreads our zones
    calendar.add_component(
        Event.new(
            uid=f"{alert.id}@{_DOMAIN}",
            stamp=clock(),
            start=starts_at,
            end=starts_at + _LASTS,
            summary=_("Rendez-vous à la préfecture"),
            location=known.place or place.name,
        )
    )
    body: bytes = calendar.to_ical()
    return body


def _build(found: AppointmentForm, zone: str) -> FoundAppointment:
    at = None
    if found.day and found.hour:
        at = datetime.combine(found.day, found.hour, zone_of(zone)).isoformat()
    return FoundAppointment.model_validate({"at": at, "place": found.place, "mayAsk": found.may_ask})
