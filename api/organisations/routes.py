"""Routes of /api/organisations/people, for members and for API keys: a key is shown no booking address."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.orm import Session

from api.alerts.schemas import AlertChange, FoundAppointment, Limits, NewAlert
from api.alerts.service import change_alert
from api.ground.paging import PageQuery
from api.ground.schemas import Answer, Body, Flag, IdPath
from api.models.organisation_access import KeyScope
from api.organisations.access import as_caller
from api.organisations.callers import Caller, Right, note_act
from api.organisations.people import (
    add_alert,
    change_person,
    end_help,
    end_person_alert,
    enter_people,
    find_person,
    invite_person,
    mark_found,
    switch_person_alert,
)
from api.organisations.person_queries import describe_person, list_page, read_person
from api.organisations.schemas import NewPerson, PersonAnswer, PersonChange
from api.prefectures.detections import list_own_detections
from api.prefectures.schemas import DetectionPage
from api.web.openapi import BODY, declare_errors, make_blueprint
from api.web.organisation_keys import find_key

_REFUSALS = (401, 403, 404)


class AlertPath(BaseModel):
    """Which alert of which person."""

    id: UUID
    alert_id: UUID


class PersonAlertChange(Body):
    """A change of a person's alert: pause it or let it wait again, or replace its limits."""

    is_active: Flag | None = None
    limits: Limits | None = None


class PersonPage(Answer):
    """People, those entered last first; `next` is the `before` of the following page, null at the end."""

    items: list[PersonAnswer]
    next: UUID | None


blueprint = make_blueprint(
    "organisation_people",
    __name__,
    "/api/organisations/people",
    "people",
    "People whom an organisation helps: for its members, and by its API keys, each within its scopes",
    signed_in=True,
    takes_keys=True,
)


@blueprint.get("", responses={200: PersonPage, **declare_errors(422, *_REFUSALS)})
def list_people(query: PageQuery) -> dict[str, Any]:
    """List people, those entered last first, with what they wait for and who was told. Scope people:read."""
    with as_caller(KeyScope.PEOPLE_READ) as (s, caller):
        items, following = list_page(s, caller, query)
        return PersonPage(items=items, next=following).as_json()


@blueprint.post("", responses={201: PersonAnswer, **declare_errors(*BODY, *_REFUSALS, 409)})
def add_person(body: NewPerson) -> tuple[dict[str, Any], int]:
    """Enter a person. Messages to the person's contacts need an invitation, and a yes. Scope people:write."""
    with as_caller(KeyScope.PEOPLE_WRITE) as (s, caller):
        return _show(s, caller, enter_people(s, caller, [body])[0]), 201


@blueprint.get("/<uuid:id>", responses={200: PersonAnswer, **declare_errors(*_REFUSALS)})
def show_person(path: IdPath) -> dict[str, Any]:
    """Show a person. Scope people:read."""
    with as_caller(KeyScope.PEOPLE_READ) as (s, caller):
        return read_person(s, caller, path.id).as_json()


@blueprint.patch("/<uuid:id>", responses={200: PersonAnswer, **declare_errors(*BODY, *_REFUSALS, 409)})
def edit_person(path: IdPath, body: PersonChange) -> dict[str, Any]:
    """Change a person; what is left out stays. Scope people:write."""
    with as_caller(KeyScope.PEOPLE_WRITE) as (s, caller):
        change_person(s, caller, path.id, body)
        return _show(s, caller, path.id)


@blueprint.delete("/<uuid:id>", responses={200: PersonAnswer, **declare_errors(*_REFUSALS, 409)})
def end_person(path: IdPath) -> dict[str, Any]:
    """End the help: 14 days after a person whom messages reach was told, of another one now. Scope people:write."""
    with as_caller(KeyScope.PEOPLE_WRITE) as (s, caller):
        end_help(s, caller, path.id)
        return _show(s, caller, path.id)


@blueprint.post("/<uuid:id>/invite", responses={202: PersonAnswer, **declare_errors(*_REFUSALS, 409)})
def ask_person(path: IdPath) -> tuple[dict[str, Any], int]:
    """Ask the person to agree to messages, at each contact that was not asked yet. Scope people:write."""
    with as_caller(KeyScope.PEOPLE_WRITE) as (s, caller):
        invite_person(s, caller, path.id)
        return _show(s, caller, path.id), 202


@blueprint.get("/<uuid:id>/detections", responses={200: DetectionPage, **declare_errors(422, *_REFUSALS)})
def list_person_detections(path: IdPath, query: PageQuery) -> dict[str, Any]:
    """List what was seen for a person, the newest first. For a key `bookingUrl` is empty. Scope people:read."""
    with as_caller(KeyScope.PEOPLE_READ) as (s, caller):
        find_person(s, caller, path.id, Right.READ)
        note_act(s, caller, "person.detections", "person", path.id)
        page = list_own_detections(s, path.id, query)
        if find_key():
            hidden = {"booking_url": "", "proof": None}
            page = DetectionPage(
                items=[each.model_copy(update=hidden) for each in page.items], next=page.next
            )
        return page.as_json()


@blueprint.post(
    "/<uuid:id>/alerts", responses={201: PersonAnswer, **declare_errors(*BODY, *_REFUSALS, 402, 409)}
)
def add_person_alert(path: IdPath, body: NewAlert) -> tuple[dict[str, Any], int]:
    """Have a person wait for slots; its name, language and calls are left out. Scope alerts:write."""
    with as_caller(KeyScope.ALERTS_WRITE) as (s, caller):
        add_alert(s, caller, path.id, body)
        return _show(s, caller, path.id), 201


@blueprint.patch(
    "/<uuid:id>/alerts/<uuid:alert_id>",
    responses={200: PersonAnswer, **declare_errors(*BODY, *_REFUSALS, 402, 409)},
)
def edit_person_alert(path: AlertPath, body: PersonAlertChange) -> dict[str, Any]:
    """Pause an alert or let it wait again, or replace its limits. Scope alerts:write."""
    with as_caller(KeyScope.ALERTS_WRITE) as (s, caller):
        find_person(s, caller, path.id, Right.HELP)
        if body.limits is not None:
            note_act(s, caller, "person.alert", "person", path.id, alert=str(path.alert_id), limits=True)
            change_alert(s, path.id, path.alert_id, AlertChange(limits=body.limits))
        if body.is_active is not None:
            switch_person_alert(s, caller, path.id, path.alert_id, enabled=body.is_active)
        return _show(s, caller, path.id)


@blueprint.delete("/<uuid:id>/alerts/<uuid:alert_id>", responses={204: None, **declare_errors(*_REFUSALS)})
def delete_person_alert(path: AlertPath) -> tuple[str, int]:
    """End an alert of a person for good. Scope alerts:write."""
    with as_caller(KeyScope.ALERTS_WRITE) as (s, caller):
        end_person_alert(s, caller, path.id, path.alert_id)
    return "", 204


@blueprint.post(
    "/<uuid:id>/alerts/<uuid:alert_id>/found",
    responses={200: PersonAnswer, **declare_errors(*BODY, *_REFUSALS, 409)},
)
def mark_person_found(path: AlertPath, body: FoundAppointment) -> dict[str, Any]:
    """Close an alert whose person has an appointment, for all members. Scope alerts:write."""
    with as_caller(KeyScope.ALERTS_WRITE) as (s, caller):
        mark_found(s, caller, path.id, path.alert_id, body)
        return _show(s, caller, path.id)


def _show(session: Session, caller: Caller, person_id: UUID) -> dict[str, Any]:
    return describe_person(session, find_person(session, caller, person_id, Right.READ)).as_json()
