"""Pages of the people whom an organisation helps: the table with filters, and one person with alerts and history."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.alerts.schemas import FoundAppointment, NewAlert, PrefectureId
from api.ground.errors import ApiError, not_found
from api.ground.schemas import Body, FieldError
from api.models.organisation import Beneficiary, MemberRole
from api.organisations.access import as_caller, by_caller
from api.organisations.callers import Caller, Right
from api.organisations.members import list_members
from api.organisations.people import (
    add_alert,
    change_person,
    end_help,
    end_person_alert,
    enter_once,
    find_person,
    invite_person,
    keep_help,
    mark_found,
    switch_person_alert,
)
from api.organisations.people_file import COLUMNS, LARGEST_FILE, export_people, import_people
from api.organisations.person_queries import describe_person, list_history, list_people, read_person
from api.organisations.schemas import ConsentState, NewPerson, PeopleFilter, PersonAnswer, PersonChange
from api.pages.area import Access, Area
from api.pages.choices import PROCEDURE_NAMES, list_place_options
from api.pages.cookies import lead_to
from api.pages.forms import INVALID, Form, Texts, write_rule
from api.pages.organisation_words import (
    ACTS,
    ALERT_STATES,
    CONSENTS,
    REFUSALS,
    TOLD,
    Press,
    has_failed,
    lead_back,
)
from api.pages.words import CHANNEL_NAMES
from api.web.auth import current_identity
from configs.ground.text import MESSAGE_LANGUAGES
from configs.world.desk import Procedure

LARGEST_BODY = 1024 * 1024  # bytes: a file that is somewhat too large is refused in words
_NOT_WATCHED = _l("Ici, nous ne voyons aucune place en ce moment.")
_TEXTS: Texts = {
    **REFUSALS,
    ("procedure", "not_watched"): _NOT_WATCHED,
    ("phone", "no_sms"): _l("Les SMS partent vers des mobiles de France, outre-mer compris."),
    ("caseworkerId", "unknown"): _l("Choisissez une personne de l’organisation."),
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
_HELP = {
    "label": _l("Comment vous appelez la personne ; les membres seuls le voient"),
    "language": _l("La langue de la personne : fr, en, ar… ; fr si rien n’est écrit"),
    "email": _l("Son adresse e-mail, si elle en a une"),
    "phone": _l("Son numéro de mobile"),
    "told": _l("accompagnant, personne ou les deux"),
    "prefectureId": _l("Le département de son attente : 93, ou bobigny_93"),
    "procedures": _l("TITRE_SEJOUR, NATURALISATION, VISA… ; plusieurs avec une espace"),
    "limits.dateFrom": _l("Premier jour possible : 31/12/2026"),
    "limits.dateTo": _l("Dernier jour possible"),
}
_UNKNOWN = _l("Ce mot n’est pas connu ici.")
_FILE = "file"
# By rule, whatever the column
_RULES = {
    "columns": _l("La première ligne nomme les colonnes, chacune une fois : vérifiez-la."),
    "too_many_lines": _l("Ce fichier a plus de 500 personnes : partagez-le."),
    "too_large": _l("Ce fichier est trop grand : partagez-le."),
    "encoding": _l("Ce fichier ne se lit pas : enregistrez-le comme « CSV UTF-8 »."),
    "quotes": _l("Des guillemets ne se ferment pas : vérifiez-les."),
    "empty": _l("Il n’y a personne dans ce fichier."),
    "cells": _l("Cette ligne n’a pas autant de cases que la première."),
    "string_too_long": _l("C’est trop long."),
    "enum": _UNKNOWN,
    "literal_error": _UNKNOWN,
    "unknown": _UNKNOWN,
    "value_error": _l("Une prefecture et ses demarches vont ensemble."),
    "no_sms": _l("Ce numéro ne reçoit pas de SMS : il faut un mobile français."),
}
area = Area("people", __name__)


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


class _Upload(Body):
    """A form whose file is read apart."""

    file: str = ""


Act = Callable[[Any, Caller, UUID, Any], object]
# By the end of the address: the form, what it does, and what is said then
_ACTS: Mapping[str, tuple[type[Body], Act, Any]] = {
    "change": (PersonChange, change_person, _l("C’est enregistré.")),
    "invite": (Press, lambda s, caller, id, _: invite_person(s, caller, id), _l("La demande est partie.")),
    "end": (
        Press,
        lambda s, caller, id, _: end_help(s, caller, id),
        _l("L’aide prend fin : la personne en est prévenue 14 jours avant, si un message peut lui arriver."),
    ),
    "keep": (Press, lambda s, caller, id, _: keep_help(s, caller, id), _l("L’aide continue.")),
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


@area.page("/organisation/people", Access.PERSONAL)
def show_people() -> str:
    return _render_table(Form(NewPerson, {"language": "fr"}))


@area.action("/organisation/people/inscrire", Access.PERSONAL)
def enter() -> ResponseReturnValue:
    """Enter a person."""
    form = Form.read(NewPerson, _TEXTS)
    made = form.submit(by_caller(enter_once))
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
    form: Form[Any] = _read_change(id) if model is PersonChange else Form.read(model, _TEXTS)
    form.submit(
        by_caller(lambda s, caller, wish: do(s, caller, id, form.pick_changed() if form.stored else wish))
    )
    if form.errors and model in (PersonChange, _NewWish):
        return _render_person(id, {name: form}), INVALID
    return lead_back(form, "people.show_person", str(done), id=id)


def _read_change(id: UUID) -> Form[PersonChange]:
    with as_caller() as (s, caller):
        person = describe_person(s, find_person(s, caller, id, Right.HELP))
        helpers = dict(_list_helpers(s, caller))

    def describe(name: str, value: str) -> str:
        words: dict[str, Any] = {"told": TOLD, "language": MESSAGE_LANGUAGES, "caseworkerId": helpers}
        return str(words.get(name, {}).get(value, value))

    return Form.read_change(PersonChange, _list_stored(person), _TEXTS, describe)


def _list_stored(person: PersonAnswer) -> dict[str, Any]:
    known = person.as_json()
    return {name: known[name] for name in ("label", "language", "email", "phone", "told", "caseworkerId")}


@area.page("/organisation/people/import", Access.PERSONAL)
def show_import() -> str:
    """Show the columns that a file may have, and the form."""
    return _render_import(Form(_Upload))


@area.action("/organisation/people/import", Access.PERSONAL, largest=LARGEST_BODY)
def import_file() -> ResponseReturnValue:
    """Enter all people of a file, or none and show its errors."""
    form, wrong = Form.read(_Upload, _TEXTS), list[FieldError]()
    sent = request.files.get(_FILE)
    content = sent.read(LARGEST_FILE + 1) if sent else b""
    if not content:
        form.errors[_FILE] = _("Choisissez un fichier.")

    def run(_: _Upload) -> int | None:
        try:
            with as_caller() as (s, caller):
                return import_people(s, caller, content)
        except ApiError as error:
            if not error.errors:
                raise
            wrong[:] = error.errors
            return None

    number = form.submit(run, _FILE)
    if number is None:
        return _render_import(form, wrong), INVALID
    return lead_to("people.show_import", _("Personnes inscrites : %(number)s", number=number))


@area.page("/organisation/people.csv", Access.PERSONAL)
def send_people() -> Response:
    with as_caller() as (s, caller):
        content = export_people(s, caller)
    named = {"Content-Disposition": 'attachment; filename="personnes.csv"'}
    return Response(content, mimetype="text/csv", headers=named)


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
        "people/people.html", items=found, wanted=wanted, is_filtered=bool(wanted.typed), form=form,
        helps=Right.HELP in caller.rights, languages=MESSAGE_LANGUAGES.items(), helpers=helpers, **_WORDS,
    )  # fmt: skip


def _render_person(id: UUID, forms: dict[str, Form[Any]]) -> str:
    with as_caller() as (s, caller):
        person, history = read_person(s, caller, id), list_history(s, caller, id)
        is_asked = s.get_one(Beneficiary, id).invited_at is not None
        helpers = _list_helpers(s, caller)
    known = Form.edit(PersonChange, _list_stored(person))
    return render_template(
        "people/person.html", person=person, history=history, helpers=helpers,
        asks=not is_asked and person.consent not in (ConsentState.NO_CONTACT, ConsentState.STOPPED),
        helps=Right.HELP in caller.rights,
        change=forms.get("change") or known, wait=forms.get("wait") or Form(_NewWish),
        zone=current_identity().time_zone, places=list_place_options(), languages=MESSAGE_LANGUAGES.items(),
        procedures=[(each.value, text) for each, text in PROCEDURE_NAMES.items()],
        form=next(iter(forms.values()), None), **_WORDS,
    )  # fmt: skip


def _render_import(form: Form[_Upload], wrong: list[FieldError] | None = None) -> str:
    with as_caller():
        pass  # members alone see it
    lines = list[tuple[str, str, str]]()
    for each in wrong or []:
        line, _dot, column = each.path.partition(".")
        own = None if column and each.rule == "value_error" else _RULES.get(each.rule)
        text = str(own or write_rule(column, each.rule, {}, {}))
        if line == _FILE:
            form.errors[_FILE] = text
        else:
            lines.append((line, column, text))
    if lines:
        form.errors[_FILE] = _(
            "Rien n’est inscrit : corrigez ces lignes, puis envoyez le fichier de nouveau."
        )
    columns = [(names[0], _HELP[field]) for field, names in COLUMNS.items()]
    return render_template("people/import.html", form=form, lines=lines, columns=columns)


def _list_helpers(s: Any, caller: Caller) -> list[tuple[str, str]]:
    """Return id and address of the members who may be a person's caseworker."""
    members = list_members(s, caller)
    return [
        (str(each.id), email)
        for each, email in members
        if each.joined_at and each.role is not MemberRole.VIEWER
    ]


_WORDS: dict[str, Any] = {
    "states": ALERT_STATES, "consents": CONSENTS, "told": TOLD, "channels": CHANNEL_NAMES, "acts": ACTS,
    "has_failed": has_failed,
}  # fmt: skip
