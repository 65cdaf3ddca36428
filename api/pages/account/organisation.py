"""Pages of an organisation: asked for, invitations, its state, contract and members."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import g, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.ground.errors import ApiError, ensure_found
from api.models.base import read_once, write_once
from api.models.organisation import Member, MemberRole, Organisation, OrganisationKind
from api.organisations.access import as_caller, by_caller
from api.organisations.callers import RIGHTS, Caller, Right
from api.organisations.ends import end_by_owner
from api.organisations.members import (
    accept_invitation,
    change_role,
    end_member,
    find_invitations,
    invite_member,
    list_members,
)
from api.organisations.members import change_hours as change_own_hours
from api.organisations.person_queries import list_acts
from api.organisations.schemas import (
    Acceptance,
    Invitation,
    NewOrganisation,
    NewRole,
    OrganisationChange,
    OwnHours,
)
from api.organisations.service import (
    accept_contract,
    ask_for_organisation,
    change_organisation,
    find_membership,
)
from api.pages.area import Access, Area
from api.pages.forms import INVALID, Form, M, Texts
from api.pages.organisation_words import ACTS, REFUSALS, SUBJECTS, Press, lead_back
from api.web.auth import current_identity, current_user_id
from configs.ground.clock import clock

KINDS = (
    (OrganisationKind.ASSOCIATION.value, _l("Association")),
    (OrganisationKind.LAWYER.value, _l("Cabinet d’avocats")),
    (OrganisationKind.EMPLOYER.value, _l("Employeur")),
    (OrganisationKind.PUBLIC_BODY.value, _l("Organisme public")),
    (OrganisationKind.OTHER.value, _l("Autre")),
)
ROLES = (
    (MemberRole.CASEWORKER.value, _l("Accompagne des personnes")),
    (MemberRole.VIEWER.value, _l("Consulte")),
    (MemberRole.OWNER.value, _l("Responsable : tout, et les membres")),
)
TEXTS: Texts = {
    **REFUSALS,
    ("siren", "siren"): _l("Un SIREN a neuf chiffres, dont le dernier est une clé : vérifiez-le."),
    ("vatNumber", "vat_number"): _l("Ce numéro de TVA n’est pas valable. Exemple : FR 40 303 265 045"),
    ("toldUntil", "hours"): _l("Donnez les deux heures, ou aucune."),
    "already-member": _l("Vous êtes déjà membre d’une organisation : quittez-la d’abord."),
    "already-invited": _l("Cette adresse est déjà invitée, ou membre."),
    "too-many-members": _l("L’organisation a autant de membres qu’elle peut en avoir pour l’instant."),
    "second-factor-needed": _l("Mettez d’abord en place votre propre second facteur (Sécurité)."),
    "last-owner": _l("Nommez d’abord une autre personne responsable : il n’y en a pas d’autre."),
    "contract-changed": _l("Le contrat a changé : lisez-le, puis acceptez-le."),
}
_PAGE = "organisation.show_organisation"
area = Area("organisation", __name__)


@area.page("/organisation", Access.PERSONAL)
def show_organisation() -> str:
    """Show the organisation of a member; else invitations, and the form to ask for one."""
    return _render()


@area.action("/organisation", Access.PERSONAL)
def ask() -> ResponseReturnValue:
    """Ask for an organisation."""
    form = Form.read(NewOrganisation, TEXTS)
    form.submit(lambda wish: write_once(ask_for_organisation, current_user_id(), wish))
    done = _("Votre demande est reçue : un opérateur la regarde, et vous recevrez un message.")
    return _answer(form, done, "ask_form")


@area.action("/organisation/invitations/<uuid:id>", Access.PERSONAL)
def accept(id: UUID) -> ResponseReturnValue:
    """Accept an invitation."""
    form = Form.read(Press, TEXTS)
    form.submit(lambda _wish: write_once(accept_invitation, current_user_id(), id, g.request_id))
    return _answer(form, _("Vous êtes membre de l’organisation."))


@area.action("/organisation/reglages", Access.PERSONAL)
def change_settings() -> ResponseReturnValue:
    """Change address, VAT number, and whether all members need a second factor."""
    found = ensure_found(read_once(find_membership, current_user_id()), "organisation")
    form = Form.read_change(OrganisationChange, _list_settings(found.organisation), TEXTS)
    form.submit(by_caller(lambda s, caller, _wish: change_organisation(s, caller, form.pick_changed())))
    return _answer(form, _("C’est enregistré."), "settings_form")


@area.action("/organisation/contrat", Access.PERSONAL)
def accept_newest_contract() -> ResponseReturnValue:
    return _submit(Acceptance, accept_contract, _("Le contrat est accepté."))


@area.action("/organisation/invitations", Access.PERSONAL)
def invite() -> ResponseReturnValue:
    """Invite a member."""
    done = _("L’invitation est envoyée : elle vaut 14 jours.")
    return _submit(Invitation, invite_member, done, "invite_form", "email")


@area.action("/organisation/membres/<uuid:id>", Access.PERSONAL)
def edit_member(id: UUID) -> ResponseReturnValue:
    return _submit(NewRole, lambda s, caller, wish: change_role(s, caller, id, wish), _("C’est enregistré."))


@area.action("/organisation/heures", Access.PERSONAL)
def change_hours() -> ResponseReturnValue:
    """Change one's own hours; without any it is always."""
    found = ensure_found(read_once(find_membership, current_user_id()), "organisation")
    form = Form.read_change(OwnHours, _list_hours(found.member), TEXTS)
    form.submit(by_caller(change_own_hours))
    return _answer(form, _("C’est enregistré."), "hours_form")


@area.action("/organisation/membres/<uuid:id>/fin", Access.PERSONAL)
def remove_member(id: UUID) -> ResponseReturnValue:
    done = _("C’est terminé : l’accès a pris fin.")
    return _submit(Press, lambda s, caller, _wish: end_member(s, caller, id), done)


@area.action("/organisation/fin", Access.PROVEN)
def end() -> ResponseReturnValue:
    """End the organisation in 14 days."""
    done = _("L’organisation prend fin : ses membres et ses personnes en sont prévenus.")
    return _submit(Press, lambda s, caller, _wish: end_by_owner(s, caller), done)


def _submit(
    model: type[M], act: Callable[[Any, Caller, M], Any], done: str, name: str = "", field: str = ""
) -> ResponseReturnValue:
    form = Form.read(model, TEXTS)
    form.submit(by_caller(act), field)
    return _answer(form, done, name)


def _answer(form: Form[Any], done: str, name: str = "") -> ResponseReturnValue:
    """Lead back, or show a form again that was refused; a form without a name is a button."""
    if form.errors and name:
        return _render(**{name: form}), INVALID
    return lead_back(form, _PAGE, done)


def _list_settings(row: Organisation) -> dict[str, Any]:
    return {"address": row.address, "vatNumber": row.vat_number, "needsSecondFactor": row.needs_second_factor}


def _list_hours(member: Member) -> dict[str, Any]:
    hours = {"toldFrom": member.told_from, "toldUntil": member.told_until}
    return {name: at and f"{at:%H:%M}" for name, at in hours.items()}


def _render(**forms: Form[Any]) -> str:
    found = read_once(find_membership, current_user_id())
    shown: dict[str, Any] = {
        "kinds": KINDS, "roles": ROLES, "zone": current_identity().time_zone,
        "form": next(iter(forms.values()), None),
    }  # fmt: skip
    if found is None:
        shown["ask_form"] = Form(NewOrganisation, {"kind": OrganisationKind.ASSOCIATION})
        shown["invitations"] = read_once(find_invitations, current_user_id())
        return render_template("organisation/ask.html", **shown | forms)
    row, me = found.organisation, found.member
    members, acts, refusal = list[tuple[Member, str]](), list[Any](), None
    manages = Right.MANAGE in RIGHTS[me.role]
    try:
        with as_caller() as (s, caller):
            members, acts = list_members(s, caller), list_acts(s, caller) if manages else []
    except ApiError as error:
        refusal = error.word
    shown |= {
        "settings_form": Form.edit(OrganisationChange, _list_settings(row)), "invite_form": Form(Invitation),
        "hours_form": Form.edit(OwnHours, _list_hours(me)),
        "found": found, "state": row, "me": me, "is_open": row.is_open(clock()), "members": members,
        "refusal": refusal, "manages": manages, "acts": acts, "words": ACTS, "subjects": SUBJECTS,
    }  # fmt: skip
    return render_template("organisation/organisation.html", **shown | forms)
