"""Pages of the people whom an organisation helps: the table with filters, and one person with alerts and history."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.alerts.schemas import FoundAppointment, NewAlert, PrefectureId
from api.ground.errors import ApiError, not_found
from api.ground.schemas import Body
from api.models.organisation import MemberRole
from api.organisations.access import as_caller
from api.organisations.callers import Caller, Right
from api.organisations.members import list_members
from api.organisations.person_alerts import add_alert, end_person_alert, mark_found, switch_person_alert
from api.organisations.person_queries import list_history, list_people, read_person
from api.organisations.person_schemas import NewPerson, PeopleFilter, PersonAnswer, PersonChange
from api.organisations.person_service import change_person, end_help, enter_person, invite_person, keep_help
from api.pages.area import Access, Area
from api.pages.choices import PROCEDURE_NAMES, list_place_options
from api.pages.cookies import lead_to
from api.pages.forms import INVALID, Form, Texts
from api.pages.person_words import ALERT_STATES, CHANNELS, CONSENTS, HISTORY, TOLD, has_failed
from api.web.auth import current_identity
from configs.ground.text import MESSAGE_LANGUAGES
from configs.world.desk import Procedure

_NOT_WATCHED = _l("Ici, nous ne voyons aucune place en ce moment.")
_TEXTS: Texts = {
    ("procedure", "not_watched"): _NOT_WATCHED,
    ("phone", "no_sms"): _l("Les SMS partent vers des mobiles de France, outre-mer compris."),
    ("caseworkerId", "unknown"): _l("Choisissez une personne de l’organisation."),
    "contract-needed": _l(
        "Une personne responsable accepte d’abord le contrat, sur la page « Organisation »."
    ),
    "too-many-people": _l("L’organisation aide autant de personnes qu’elle le peut pour l’instant."),
    "organisation-ending": _l("L’organisation prend fin."),
    "role-too-low": _l("Votre rôle ne le permet pas : demandez à une personne responsable."),
    "already-invited": _l("Chaque adresse n’est demandée qu’une fois, et l’a déjà été, ou il n’y en a pas."),
    "stopped": _l("Cette personne ne veut pas de messages : elle seule peut changer d’avis."),
    "not-opened": _l("Les SMS partent une fois l’organisation ouverte par un opérateur."),
    "health-consent": _l(
        "Cette alerte révèle une information de santé : la personne l’accepte elle-même, par son lien."
    ),
    "plan-needed": _l("Sans offre, seules les pages que des personnes signalent peuvent attendre."),
    "fair-use": _l("Cette personne a déjà beaucoup d’alertes : arrêtez-en une d’abord."),
    "alert-closed": _l("Cette alerte est déjà fermée."),
    "help-ending": _l("Cette aide prend déjà fin."),
    "not-ending": _l("Cette aide ne prend pas fin."),
}
area = Area("people", __name__)


class _Nothing(Body):
    """A form of one button."""


class _NewWish(Body):
    """What a person is to wait for: a procedure of a prefecture."""

    prefecture_id: PrefectureId
    procedure: Procedure

    def as_alert(self) -> NewAlert:
        """Return it as the body of a new alert."""
        return NewAlert.model_validate({"prefectureId": self.prefecture_id, "procedures": [self.procedure]})


class _AlertPress(Body):
    """A button of an alert."""

    alert: UUID


Act = Callable[[Any, Caller, UUID, Any], object]
# By the end of the address: the form, what it does, and what is said then
_ACTS: Mapping[str, tuple[type[Body], Act, Any]] = {
    "change": (
        PersonChange,
        lambda s, caller, id, wish: change_person(s, caller, id, _with_emptied(wish)),
        _l("C’est enregistré."),
    ),
    "invite": (_Nothing, lambda s, caller, id, _: invite_person(s, caller, id), _l("La demande est partie.")),
    "end": (
        _Nothing,
        lambda s, caller, id, _: end_help(s, caller, id),
        _l("L’aide prend fin : la personne en est prévenue 14 jours avant, si un message peut lui arriver."),
    ),
    "keep": (_Nothing, lambda s, caller, id, _: keep_help(s, caller, id), _l("L’aide continue.")),
    "wait": (
        _NewWish, lambda s, caller, id, wish: add_alert(s, caller, id, wish.as_alert()), _l("L’alerte est créée."),
    ),
    "pause": (
        _AlertPress,
        lambda s, caller, id, it: switch_person_alert(s, caller, id, it.alert, enabled=False),
        _l("L’alerte est en pause."),
    ),
    "resume": (
        _AlertPress,
        lambda s, caller, id, it: switch_person_alert(s, caller, id, it.alert, enabled=True),
        _l("L’alerte attend de nouveau."),
    ),
    "stop": (
        _AlertPress, lambda s, caller, id, it: end_person_alert(s, caller, id, it.alert), _l("L’alerte est arrêtée."),
    ),
    "found": (
        _AlertPress,
        lambda s, caller, id, it: mark_found(s, caller, id, it.alert, FoundAppointment()),
        _l("Trouvé : l’alerte est fermée pour tous."),
    ),
}  # fmt: skip


def _with_emptied(wish: PersonChange) -> PersonChange:
    """Return the change with null for what the form shows and was emptied."""
    emptied = {name: None for name in ("label", "email", "phone") if not request.form.get(name)}
    return wish.model_copy(update=emptied)


@area.page("/organisation/people", Access.PERSONAL)
def show_people() -> str:
    """Show the table of people, by its filters."""
    return _render_table(Form(NewPerson, {"language": "fr"}))


@area.action("/organisation/people/inscrire", Access.PERSONAL)
def enter() -> ResponseReturnValue:
    """Enter a person."""
    form = Form.read(NewPerson, _TEXTS)

    def run(wish: NewPerson) -> UUID:
        with as_caller() as (s, caller):
            return enter_person(s, caller, wish).user_id

    made = form.submit(run)
    if made is None:
        return _render_table(form), INVALID
    return lead_to("people.show_person", _("La personne est inscrite."), id=made)


@area.page("/organisation/people/<uuid:id>", Access.PERSONAL)
def show_person(id: UUID) -> str:
    """Show a person: alerts, who was told, consent, and who saw or changed what."""
    return _render_person(id, {})


@area.action("/organisation/people/<uuid:id>/<name>", Access.PERSONAL)
def act(id: UUID, name: str) -> ResponseReturnValue:
    """Do what a button of the person's page is for."""
    if name not in _ACTS:
        raise not_found("action")
    model, do, done = _ACTS[name]
    form: Form[Body] = Form.read(model, _TEXTS)

    def run(wish: Body) -> bool:
        with as_caller() as (s, caller):
            do(s, caller, id, wish)
        return True

    form.submit(run)
    if form.errors and model in (PersonChange, _NewWish):
        return _render_person(id, {name: form}), INVALID
    if form.errors:
        return lead_to("people.show_person", next(iter(form.errors.values())), "problem", id=id)
    return lead_to("people.show_person", str(done), id=id)


def _render_table(form: Form[NewPerson]) -> str:
    wanted = Form.read_query(PeopleFilter)
    try:
        with as_caller() as (s, caller):
            found = list_people(s, caller, wanted.value)
            helpers = _list_helpers(s, caller)
    except (
        ApiError
    ):  # the page of the organisation says why: a member of none, ended, a second factor is needed
        return render_template("people/people.html", items=[], form=form, wanted=wanted, refused=True)
    return render_template(
        "people/people.html", items=found.items, wanted=wanted, is_filtered=bool(wanted.typed), form=form,
        helps=Right.HELP in caller.rights, languages=MESSAGE_LANGUAGES.items(), helpers=helpers, **_WORDS,
    )  # fmt: skip


def _render_person(id: UUID, forms: dict[str, Form[Any]]) -> str:
    with as_caller() as (s, caller):
        person, history = read_person(s, caller, id), list_history(s, caller, id)
        helpers = _list_helpers(s, caller)
    return render_template(
        "people/person.html", person=person, history=history, helpers=helpers, helps=Right.HELP in caller.rights,
        change=forms.get("change") or _fill(person), wait=forms.get("wait") or Form(_NewWish),
        zone=current_identity().time_zone, places=list_place_options(), languages=MESSAGE_LANGUAGES.items(),
        procedures=[(each.value, text) for each, text in PROCEDURE_NAMES.items()],
        form=next(iter(forms.values()), None), **_WORDS,
    )  # fmt: skip


def _fill(person: PersonAnswer) -> Form[PersonChange]:
    known = person.as_json()
    names = ("label", "language", "email", "phone", "told", "caseworkerId")
    return Form(PersonChange, {name: known[name] or "" for name in names})


def _list_helpers(s: Any, caller: Caller) -> list[tuple[str, str]]:
    """Return id and address of the members who may be a person's caseworker."""
    members = list_members(s, caller).items
    return [
        (str(each.id), each.email)
        for each in members
        if each.joined_at and each.role is not MemberRole.VIEWER
    ]


_WORDS: dict[str, Any] = {
    "states": ALERT_STATES, "consents": CONSENTS, "told": TOLD, "channels": CHANNELS, "acts": HISTORY,
    "has_failed": has_failed,
}  # fmt: skip
