"""Routes of /api/organisations: the organisation of the signed-in member."""

from typing import Any

from flask import g

from api.ground.schemas import IdPath
from api.models.base import read_once, write_once
from api.organisations.access import as_caller
from api.organisations.ends import end_by_owner
from api.organisations.members import (
    accept_invitation,
    change_member,
    end_member,
    invite_member,
    list_members,
)
from api.organisations.schemas import (
    Acceptance,
    Invitation,
    MemberChange,
    MemberList,
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
from api.web.auth import current_user_id, require_recent_proof
from api.web.openapi import BODY, declare_errors, make_blueprint

blueprint = make_blueprint(
    "organisations",
    __name__,
    "/api/organisations",
    "organisations",
    "The organisation whose member the signed-in user is: one that helps people who wait",
    signed_in=True,
)


@blueprint.post("", responses={201: OrganisationState, **declare_errors(*BODY, 401, 409)})
def create_organisation(body: NewOrganisation) -> tuple[dict[str, Any], int]:
    """Ask for an organisation. Until an operator opens it, it has two members and two people, and mail only."""
    write_once(ask_for_organisation, current_user_id(), body)
    return _show(), 201


@blueprint.get("", responses={200: OrganisationState, **declare_errors(401, 404)})
def show_organisation() -> dict[str, Any]:
    """Show the organisation and what one may do there."""
    return _show()


@blueprint.patch("", responses={200: OrganisationState, **declare_errors(*BODY, 401, 403, 404, 409)})
def edit_organisation(body: OrganisationChange) -> dict[str, Any]:
    """Change address and VAT number, or have all members need a second factor. An owner's."""
    with as_caller() as (s, caller):
        change_organisation(s, caller, body)
    return _show()


@blueprint.delete("", responses={200: OrganisationState, **declare_errors(401, 403, 404, 409)})
def delete_organisation() -> dict[str, Any]:
    """End the organisation in 14 days, of which members and people are told now. An owner's, with a recent proof."""
    require_recent_proof()
    with as_caller() as (s, caller):
        end_by_owner(s, caller)
    return _show()


@blueprint.post("/contract", responses={200: OrganisationState, **declare_errors(*BODY, 401, 403, 404, 409)})
def accept_organisation_contract(body: Acceptance) -> dict[str, Any]:
    """Accept the newest contract (art. 28 RGPD), before the first person is entered. An owner's."""
    with as_caller() as (s, caller):
        accept_contract(s, caller, body)
    return _show()


@blueprint.get("/members", responses={200: MemberList, **declare_errors(401, 403, 404)})
def show_members() -> dict[str, Any]:
    """List the members, and invitations that nobody accepted yet."""
    with as_caller() as (s, caller):
        return list_members(s, caller).as_json()


@blueprint.post("/members", responses={201: MemberList, **declare_errors(*BODY, 401, 403, 404, 409)})
def invite_organisation_member(body: Invitation) -> tuple[dict[str, Any], int]:
    """Invite an address by mail, for 14 days; the account of that address may accept. An owner's."""
    with as_caller() as (s, caller):
        invite_member(s, caller, body)
        return list_members(s, caller).as_json(), 201


@blueprint.post(
    "/members/<uuid:id>/accept", responses={200: OrganisationState, **declare_errors(401, 404, 409)}
)
def accept_organisation_invitation(path: IdPath) -> dict[str, Any]:
    """Accept an invitation to the account's own, confirmed address."""
    write_once(accept_invitation, current_user_id(), path.id, g.request_id)
    return _show()


@blueprint.patch(
    "/members/<uuid:id>", responses={200: MemberList, **declare_errors(*BODY, 401, 403, 404, 409)}
)
def edit_member(path: IdPath, body: MemberChange) -> dict[str, Any]:
    """Change a member's role, an owner's act, or one's own hours."""
    with as_caller() as (s, caller):
        change_member(s, caller, path.id, body)
        return list_members(s, caller).as_json()


@blueprint.delete("/members/<uuid:id>", responses={204: None, **declare_errors(401, 403, 404, 409)})
def remove_member(path: IdPath) -> tuple[str, int]:
    """End a membership or an invitation: an owner's act, or one's own. Access ends with the next request."""
    with as_caller() as (s, caller):
        end_member(s, caller, path.id)
    return "", 204


def _show() -> dict[str, Any]:
    return read_once(read_state, current_user_id()).as_json()
