"""Pages of an organisation: asked for, invitations, its state, contract and members."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import g, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.ground.errors import ApiError
from api.ground.schemas import Body
from api.models.base import read_once, write_once
from api.models.organisation import MemberRole, OrganisationKind
from api.organisations.access import as_caller
from api.organisations.callers import Caller, Right
from api.organisations.ends import end_by_owner
from api.organisations.members import (
    accept_invitation,
    change_member,
    end_member,
    find_invitations,
    invite_member,
    list_members,
)
from api.organisations.members import (
    change_hours as change_own_hours,
)
from api.organisations.schemas import (
    Acceptance,
    Invitation,
    MemberAnswer,
    MemberChange,
    NewOrganisation,
    OrganisationChange,
    OrganisationState,
)
from api.organisations.service import (
    accept_contract,
    ask_for_organisation,
    change_organisation,
    read_state,
)
from api.pages.area import Access, Area
from api.pages.cookies import lead_to
from api.pages.forms import INVALID, Form, M, Texts
from api.web.auth import current_identity, current_user_id

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
    ("siren", "siren"): _l("Un SIREN a neuf chiffres, dont le dernier est une clé : vérifiez-le."),
    ("vatNumber", "vat_number"): _l("Ce numéro de TVA n’est pas valable. Exemple : FR 40 303 265 045"),
    ("toldUntil", "hours"): _l("Donnez les deux heures, ou aucune."),
    "already-member": _l("Vous êtes déjà membre d’une organisation : quittez-la d’abord."),
    "already-invited": _l("Cette adresse est déjà invitée, ou membre."),
    "too-many-members": _l("L’organisation a autant de membres qu’elle peut en avoir pour l’instant."),
    "second-factor-needed": _l("Mettez d’abord en place votre propre second facteur (Sécurité)."),
    "role-too-low": _l("Votre rôle ne le permet pas : demandez à une personne responsable."),
    "last-owner": _l("Nommez d’abord une autre personne responsable : il n’y en a pas d’autre."),
    "contract-changed": _l("Le contrat a changé : lisez-le, puis acceptez-le."),
    "organisation-ended": _l("L’organisation est arrêtée."),
    "organisation-ending": _l("L’organisation prend déjà fin."),
}
_PAGE = "organisation.show_organisation"
area = Area("organisation", __name__)


class _Nothing(Body):
    """A form of one button."""


@area.page("/organisation", Access.PERSONAL)
def show_organisation() -> str:
    """Show the organisation of a member; else invitations, and the form to ask for one."""
    return _render()


@area.action("/organisation", Access.PERSONAL)
def ask() -> ResponseReturnValue:
    """Ask for an organisation."""
    form = Form.read(NewOrganisation, TEXTS)
    form.submit(lambda wish: write_once(ask_for_organisation, current_user_id(), wish))
    if form.errors:
        return _render(ask_form=form), INVALID
    return lead_to(
        _PAGE, _("Votre demande est reçue : un opérateur la regarde, et vous recevrez un message.")
    )


@area.action("/organisation/invitations/<uuid:id>", Access.PERSONAL)
def accept(id: UUID) -> ResponseReturnValue:
    """Accept an invitation."""
    form = Form.read(_Nothing, TEXTS)
    form.submit(lambda _wish: write_once(accept_invitation, current_user_id(), id, g.request_id))
    return _lead_back(form, _("Vous êtes membre de l’organisation."))


@area.action("/organisation/reglages", Access.PERSONAL)
def change_settings() -> ResponseReturnValue:
    """Change address, VAT number, and whether all members need a second factor."""
    form = Form.read(OrganisationChange, TEXTS)
    _submit(form, change_organisation)
    if form.errors:
        return _render(settings_form=form), INVALID
    return lead_to(_PAGE, _("C’est enregistré."))


@area.action("/organisation/contrat", Access.PERSONAL)
def accept_newest_contract() -> ResponseReturnValue:
    """Accept the contract."""
    form = Form.read(Acceptance, TEXTS)
    _submit(form, accept_contract)
    return _lead_back(form, _("Le contrat est accepté."))


@area.action("/organisation/invitations", Access.PERSONAL)
def invite() -> ResponseReturnValue:
    """Invite a member."""
    form = Form.read(Invitation, TEXTS)
    _submit(form, invite_member, "email")
    if form.errors:
        return _render(invite_form=form), INVALID
    return lead_to(_PAGE, _("L’invitation est envoyée : elle vaut 14 jours."))


@area.action("/organisation/membres/<uuid:id>", Access.PERSONAL)
def edit_member(id: UUID) -> ResponseReturnValue:
    """Change a member's role."""
    form = Form.read(MemberChange, TEXTS)
    _submit(form, lambda s, caller, wish: change_member(s, caller, id, wish))
    return _lead_back(form, _("C’est enregistré."))


@area.action("/organisation/heures", Access.PERSONAL)
def change_hours() -> ResponseReturnValue:
    """Change one's own hours; without any it is always."""
    form = Form.read(MemberChange, TEXTS)
    _submit(form, change_own_hours)
    if form.errors:
        return _render(hours_form=form), INVALID
    return lead_to(_PAGE, _("C’est enregistré."))


@area.action("/organisation/membres/<uuid:id>/fin", Access.PERSONAL)
def remove_member(id: UUID) -> ResponseReturnValue:
    """End a membership or an invitation."""
    form = Form.read(_Nothing, TEXTS)
    _submit(form, lambda s, caller, _wish: end_member(s, caller, id))
    return _lead_back(form, _("C’est terminé : l’accès a pris fin."))


@area.action("/organisation/fin", Access.PROVEN)
def end() -> ResponseReturnValue:
    """End the organisation in 14 days."""
    form = Form.read(_Nothing, TEXTS)
    _submit(form, lambda s, caller, _wish: end_by_owner(s, caller))
    return _lead_back(form, _("L’organisation prend fin : ses membres et ses personnes en sont prévenus."))


def _submit(form: Form[M], act: Callable[[Any, Caller, M], Any], field: str = "") -> None:
    def run(wish: M) -> bool:
        with as_caller() as (s, caller):
            act(s, caller, wish)
        return True

    form.submit(run, field)


def _lead_back(form: Form[Any], done: str) -> ResponseReturnValue:
    if form.errors:
        return lead_to(_PAGE, next(iter(form.errors.values())), "problem")
    return lead_to(_PAGE, done)


def _render(**forms: Form[Any]) -> str:
    state = _find_state()
    shown: dict[str, Any] = {
        "state": state,
        "kinds": KINDS,
        "roles": ROLES,
        "zone": current_identity().time_zone,
    }
    shown["form"] = next(iter(forms.values()), None)
    if state is None:
        asked = {"ask_form": Form(NewOrganisation, {"kind": OrganisationKind.ASSOCIATION})} | forms
        found = read_once(find_invitations, current_user_id())
        return render_template("organisation/ask.html", invitations=found, **shown, **asked)
    members, refusal = list[MemberAnswer](), None
    try:
        with as_caller() as (s, caller):
            members = list_members(s, caller).items
    except ApiError as error:
        refusal = error.word
    known = {
        "address": state.address,
        "vatNumber": state.vat_number,
        "needsSecondFactor": state.needs_second_factor,
    }
    usual = {
        "settings_form": Form(OrganisationChange, known),
        "invite_form": Form(Invitation),
        "hours_form": _fill(members),
    }
    shown |= {"members": members, "refusal": refusal, "manages": Right.MANAGE in state.rights}
    return render_template("organisation/organisation.html", **shown, **(usual | forms))


def _find_state() -> OrganisationState | None:
    try:
        return read_once(read_state, current_user_id())
    except ApiError:  # a member of none
        return None


def _fill(members: list[MemberAnswer]) -> Form[MemberChange]:
    own = next((each for each in members if each.is_self), None)
    hours = {
        name: f"{at:%H:%M}"
        for name, at in (("toldFrom", own and own.told_from), ("toldUntil", own and own.told_until))
        if at
    }
    return Form(MemberChange, hours)
