"""The forms of an alert and of the appointment that was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from babel.dates import get_day_names
from flask import url_for
from flask_babel import get_locale, lazy_gettext
from flask_babel import gettext as _
from icalendar import Calendar, Event
from pydantic import Field, ValidationError, model_validator

from api.alerts.fair_use import CallOffer, read_call_offer
from api.alerts.schemas import AlertAnswer, AlertChange, Day, FoundAppointment, Hour, NewAlert, Voice
from api.alerts.wishes import ResolvedWish, list_watchable, resolve_wish
from api.ground.errors import ApiError, not_found
from api.ground.schemas import Body, Flag, PlanAnswer
from api.models.base import autocommit_session, read_once
from api.models.watchability import read_standings
from api.pages.choices import PROCEDURE_NAMES, find_place, find_procedure
from api.pages.forms import Form, Texts
from api.pages.targets import Target, list_targets, read_target, write_target
from api.pages.words import UNKNOWN, explain_desk
from configs.ground.clock import clock
from configs.ground.text import MESSAGE_LANGUAGES
from configs.world.desk import Desk, Procedure, Text, zone_of
from configs.world.plan import PlanName
from configs.world.prefecture import Prefecture, prefectures

_l = lazy_gettext
_NOT_WATCHED = _l("Ici, nous ne voyons aucune place en ce moment.")
_NAME_TOO_LONG = _l("80 caractères au plus.")
_NOTHING = _l("Choisissez au moins une démarche ou une page de rendez-vous.")
TEXTS: Texts = {
    ("procedures[]", "not_watched"): _NOT_WATCHED,
    ("deskIds[]", "not_watched"): _NOT_WATCHED,
    ("acceptHealth", "health_consent"): _l("Cochez cette case pour attendre cette page de rendez-vous."),
    ("name", "too_long"): _NAME_TOO_LONG,
    ("name", "string_too_long"): _NAME_TOO_LONG,
    ("limits.dateTo", "past"): _l("Ce jour est passé : choisissez-en un plus tard."),
    ("limits.weekdays[]", "excludes_everything"): _l("Aucun de ces jours n’arrive avant la dernière date."),
    "not-linked": _l("Pour être appelé, confirmez d’abord un numéro de téléphone dans « Mes canaux »."),
    "plan-needed": _l("Pour surveiller, il faut une offre : choisissez-en une ci-dessous."),
    "plan-limit": _l(
        "Votre offre ne porte pas une alerte de plus : mettez-en une en pause, ou choisissez une "
        "offre plus grande."
    ),
    "fair-use": _l("Vous avez déjà beaucoup d’alertes : fermez-en une d’abord."),
    "not-watched": _l("Nous ne voyons pas les places de cette alerte en ce moment."),
    "alert-closed": _l("Cette alerte est fermée : créez-en une autre."),
    "no-channel": _l("Aucun canal n’est prêt : confirmez d’abord votre adresse e-mail."),
    "too-many-requests": _l("Trois essais par heure au plus : attendez un peu."),
}
_LONGEST = 4000  # characters of a target
_TARGET = "target"
_PARTS = ("procedures[]", "deskIds[]")
_DOMAIN = "rdvpriority.fr"
_LASTS = timedelta(minutes=30)  # no prefecture says it
_PLACE_TOO_LONG = _l("200 caractères au plus.")
_TEXTS: Texts = {
    ("hour", "missing"): _l("Écrivez aussi l’heure."),
    ("day", "missing"): _l("Écrivez aussi le jour."),
    ("place", "too_long"): _PLACE_TOO_LONG,
    ("place", "string_too_long"): _PLACE_TOO_LONG,
}


class AlertForm(NewAlert):
    """The fields of the form: a wish, whose `target` says what it is for, and whether it could choose calls."""

    target: Annotated[str, Field(max_length=_LONGEST)] | None = None
    calls_shown: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _read_target(cls, given: Any) -> Any:
        target = given.get("target") if isinstance(given, dict) else None
        return given | read_target(target) if isinstance(target, str) else given

    def as_change(self, changed: set[str]) -> AlertChange:
        """Return the change of these fields of the form. Its parts were validated.

        Calls stay as they are where the form did not show them.
        """
        parts = {name.partition(".")[0] for name in changed}
        names = {"accept_waiting", "accept_health"} | (parts & {"name", "language", "limits"})
        names |= {"prefecture_id", "procedures", "desk_ids"} if _TARGET in parts else set()
        names |= {"voice"} if self.calls_shown and "voice" in parts else set()
        return AlertChange.model_construct(names, **{name: getattr(self, name) for name in names})


@dataclass(slots=True)
class WishPage:
    """The form of an alert at one prefecture, and what follows from a refusal."""

    place: Prefecture
    form: Form[AlertForm]
    plans: list[PlanAnswer] = field(default_factory=list)  # that carry it, where the present one does not
    calls: CallOffer | None = None  # whether they may be chosen, on the page of who has a plan with calls
    watchable: Sequence[Desk] | None = None  # where what was wished is not: the desks here that are
    reasons: Sequence[str] = ()  # and why it is not
    needs_plan: bool = False  # nothing is wrong with it: a plan is chosen next
    is_free: bool = False  # people's reports alone serve it

    def offer_calls(self, user_id: UUID, alert: AlertAnswer | None) -> None:
        """Show the calls to who has a plan with them, or an alert that wants some."""
        offer = read_once(read_call_offer, user_id)
        self.calls = offer if offer.in_plan or (alert and alert.voice.enabled) else None

    def refuse(self, error: ApiError) -> None:
        """Note why the service refused the wish.

        Raises:
            ApiError: it is no refusal of what was typed.
        """
        self.form.refuse(error)
        _move_errors(self.form)
        self.plans = error.plans
        self.needs_plan = error.word == "plan-needed"
        if any(each.rule == "not_watched" for each in error.errors):
            found = read_once(resolve_wish, self.form.value)
            self.watchable, self.reasons = list_watchable(self.place, found.standings), _list_reasons(found)

    def offer_waiting(self) -> None:
        """Say before the form is sent that what an address names cannot be watched, and offer to wait for that."""
        wished = read_target(self.form.typed.get(_TARGET) or "")
        if not any(wished.values()):
            return
        wish = NewAlert.model_validate({"prefectureId": self.place.id} | wished)
        with autocommit_session() as s:
            found = resolve_wish(s, wish)
            self.is_free = found.is_free
            if found.must_wait and not found.is_free:
                self.watchable = list_watchable(self.place, found.standings)
                self.reasons = _list_reasons(found)

    def build_plan_url(self, plan: PlanName | None = None) -> str:
        """Return the page that orders a plan, or lets choose one: the alert is created when the plan is paid."""
        wish = NewAlert.model_construct(**{**dict(self.form.value), "name": None})
        text = wish.model_dump_json(by_alias=True, exclude_defaults=True, include=set(NewAlert.model_fields))
        return url_for("plan.show_order" if plan else "plan.show_plan", plan=plan and plan.value, alert=text)

    def list_targets(self) -> list[Target]:
        """Return what the alert can be for: the procedures of the desks here, their desks, and what is chosen."""
        wished = read_target(self.form.typed.get(_TARGET) or "")
        known = tuple(each for each in PROCEDURE_NAMES if each.value in wished["procedures"])
        served = {each for desk in self.place.desks for each in desk.procedures} | {*known}
        ids = {desk.id for desk in self.place.desks}
        chosen = known, tuple(each for each in wished["deskIds"] if each in ids)
        self.form.typed[_TARGET] = write_target(*chosen)  # as the choice writes it
        standings = read_once(read_standings, self.place.desks)
        return list_targets(
            self.place, [each for each in PROCEDURE_NAMES if each in served], standings, chosen
        )

    @property
    def revealing_desks(self) -> list[str]:
        """The labels here that reveal health: to wait for one takes explicit consent."""
        return sorted({desk.label for desk in self.place.desks if desk.reveals_health})

    @property
    def languages(self) -> list[tuple[str, str]]:
        """The languages of slot alerts, each by its own name."""
        return list(MESSAGE_LANGUAGES.items())

    @property
    def sites(self) -> list[tuple[str, str]]:
        """The places to choose from; none where there is but one."""
        found = sorted({desk.site for desk in self.place.desks if desk.site})
        return [(each, each) for each in found] if len(found) > 1 else []

    @property
    def weekdays(self) -> list[tuple[int, str]]:
        """The days of the week, from Monday, in the page's language."""
        names = get_day_names("wide", locale=get_locale() or "fr")
        return [(number + 1, names[number]) for number in range(7)]

    @property
    def has_details(self) -> bool:
        """Whether one of the limits is set or wrong."""
        return any(
            name.startswith("limits.")
            for name in (*filter(self.form.typed.get, self.form.typed), *self.form.errors)
        )


def read_wish_form(alert: AlertAnswer | None = None) -> Form[AlertForm]:
    """Return the form that was posted, each error beside the field that it is about; that of an alert changes it."""
    if alert is None:
        form = Form.read(AlertForm, TEXTS)
    else:
        form = Form.read_change(AlertForm, _list_stored(alert), TEXTS, _describe_value)
    typed = form.typed
    if "" in form.errors:
        if not any(typed.get(name) for name in (_TARGET, *_PARTS)):
            form.errors[_TARGET] = str(_NOTHING)
            del form.errors[""]
        elif name := _find_disorder(typed):
            form.errors[name] = form.errors.pop("")
    typed[_TARGET] = typed.get(_TARGET) or ",".join(part for name in _PARTS for part in typed.get(name) or ())
    _move_errors(form)
    return form


def _move_errors(form: Form[AlertForm]) -> None:
    """Have errors of what an alert is for stand at its one question."""
    for name in _PARTS:
        if text := form.errors.pop(name, None):
            form.errors.setdefault(_TARGET, text)


def prefill(place: Prefecture, wish: str, desk_id: str) -> Form[AlertForm]:
    """Return the form of a new alert with what an address names."""
    procedure = find_procedure(wish)
    desk_ids = [desk.id for desk in place.desks if desk.id == desk_id]
    named = [] if desk_ids else [procedure] if procedure else _find_only(place)
    typed = {
        "prefectureId": place.id,
        _TARGET: write_target(named, desk_ids),
        **_fill_voice(Voice()),
    }
    return Form(AlertForm, typed, TEXTS)


def fill(alert: AlertAnswer) -> Form[AlertForm]:
    """Return the form with what an alert is now."""
    return Form.edit(AlertForm, _list_stored(alert), TEXTS)


def _describe_value(name: str, value: str) -> str:
    """Return a value of the form in the words of its choices."""
    if name == "limits.weekdays[]":
        return str(get_day_names("wide", locale=get_locale() or "fr")[int(value) - 1])
    if name == "language":
        return MESSAGE_LANGUAGES.get(value, value)
    if name != _TARGET:
        return value
    wished = read_target(value)
    names = [str(text) for each, text in PROCEDURE_NAMES.items() if each.value in wished["procedures"]]
    labels = {desk.id: desk.label for place in prefectures().values() for desk in place.desks}
    return ", ".join([*names, *(labels.get(each, each) for each in wished["deskIds"])])


def _list_stored(alert: AlertAnswer) -> dict[str, Any]:
    limits = alert.limits.model_dump(mode="json", by_alias=True)
    typed: dict[str, Any] = {
        "prefectureId": alert.prefecture_id,
        _TARGET: write_target((each for each in PROCEDURE_NAMES if each in alert.procedures), alert.desk_ids),
        "name": alert.name,
        "language": alert.language,
        **_fill_voice(alert.voice),
    }
    for name, value in limits.items():
        typed[f"limits.{name}" + ("[]" if isinstance(value, list) else "")] = (
            [str(each) for each in value] if isinstance(value, list) else value
        )
    return typed


def _fill_voice(voice: Voice) -> dict[str, Any]:
    return {f"voice.{name}": value for name, value in voice.model_dump(mode="json", by_alias=True).items()}


def find_form_place(form: Form[AlertForm]) -> Prefecture | None:
    """Return the prefecture that a form is about; None where it does not exist."""
    return find_place(form.typed.get("prefectureId") or "")


def _find_only(place: Prefecture) -> list[Procedure]:
    served: set[Procedure] = {each for desk in place.desks for each in desk.procedures}
    return [*served] if len(served) == 1 else []


def _find_disorder(typed: dict[str, Any]) -> str | None:
    """Return the field whose beginning lies after its end; None where none does."""
    begins, ends = (typed.get(name) or "" for name in ("limits.dateFrom", "limits.dateTo"))
    if begins > ends > "":
        return "limits.dateTo"
    begins, ends = (typed.get(name) or "" for name in ("limits.hourFrom", "limits.hourTo"))
    return "limits.hourTo" if begins >= ends > "" else None


def _list_reasons(found: ResolvedWish) -> list[str]:
    """Return why the desks of a wish are not watchable, each reason once."""
    why = (explain_desk(each.desk, each.hindrance) for each in found.unwatchable)
    return list(dict.fromkeys(str(each) for each in why if each)) or [str(UNKNOWN.text)]


class AppointmentForm(Body):
    """The fields of the form; day and hour as the clock of the prefecture shows them."""

    day: Day | None = None
    hour: Hour | None = None
    place: Annotated[Text, Field(max_length=200)] | None = None
    may_ask: Flag = False
    remind_by_sms: Flag = False


def read_appointment(zone: str) -> Form[AppointmentForm]:
    """Return the form that was posted, each error beside its field."""
    form = Form.read(AppointmentForm, _TEXTS)
    if form.errors:
        return form
    if (form.value.day is None) is not (form.value.hour is None):
        form.add_error("hour" if form.value.hour is None else "day", "missing")
        return form
    try:
        build_appointment(form.value, zone)
    except ValidationError as error:
        form.add_error("day", error.errors()[0]["type"])
    return form


def write_event(alert: AlertAnswer) -> bytes:
    """Return the appointment of a closed alert as an iCalendar file (RFC 5545).

    Raises:
        ApiError: 404, when it is was not said.
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


def build_appointment(found: AppointmentForm, zone: str) -> FoundAppointment:
    """Return the appointment of a form; its hour is that of the zone.

    Raises:
        pydantic.ValidationError: it lies too far away.
    """
    at = None
    if found.day and found.hour:
        at = datetime.combine(found.day, found.hour, zone_of(zone)).isoformat()
    kept = found.model_dump(by_alias=True, include={"place", "may_ask", "remind_by_sms"})
    return FoundAppointment.model_validate({"at": at} | kept)
