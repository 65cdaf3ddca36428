"""Organisations as operators see them: who asks, what looks like misuse; they open one, end it, or keep it."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.ground.errors import ApiError, ensure_found, invalid
from api.ground.paging import Found, PageQuery, read_page
from api.ground.schemas import Body, FieldError
from api.models.alert import Alert
from api.models.organisation import Beneficiary, Member, Organisation, OrganisationEnd
from api.models.user import Channel, Contact, User
from api.organisations.ends import apply_grant, tell_members
from api.organisations.service import count_people
from configs.ground.clock import clock
from configs.world.desk import HOME_ZONE, zone_of

_LONG = timedelta(days=180)  # that an entry may stay without anything found or closed
_SHARED = 3  # people with one mailbox
_LONGEST = timedelta(days=3 * 366)  # of a grant


class Opening(Body):
    """The last day of the grant."""

    until: date


class EndWish(Body):
    """Why an organisation ends; `abuse` stops it at once. Its members read the reason."""

    because: Literal[OrganisationEnd.CLOSED, OrganisationEnd.ABUSE]
    reason: Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class WeighedOrganisation:
    """An organisation with its members' addresses, and figures that may tell of misuse."""

    row: Organisation
    members: list[tuple[UUID, str]]
    people: int
    shared: int  # people whose mailbox _SHARED or more of its people have
    stuck: int  # people for whom nothing was closed for _LONG


def list_organisations(session: Session, wanted: PageQuery) -> Found[Organisation]:
    """Return a page of organisations, the newest first."""
    return Found(*read_page(session, sa.select(Organisation), Organisation.id, wanted))


def read_organisation(session: Session, organisation_id: UUID) -> WeighedOrganisation:
    """Return one organisation.

    Raises:
        ApiError: 404.
    """
    row = ensure_found(session.get(Organisation, organisation_id), "organisation")
    mine = sa.select(Beneficiary.user_id).where(Beneficiary.organisation_id == row.id)
    joined = sa.select(User.id, User.email).join(Member, Member.user_id == User.id)
    members = session.execute(joined.where(Member.organisation_id == row.id).order_by(Member.id)).all()
    shared = (
        sa.select(sa.func.count().label("people"))
        .where(Contact.user_id.in_(mine), Contact.channel == Channel.EMAIL)
        .group_by(sa.func.lower(sa.cast(Contact.address, sa.Text)))
        .having(sa.func.count() >= _SHARED)
        .subquery()
    )
    closed = sa.exists().where(Alert.user_id == Beneficiary.user_id, Alert.closed_at > clock() - _LONG)
    stuck = mine.where(Beneficiary.created_at < clock() - _LONG, ~closed)
    old = session.scalars(sa.select(sa.func.count()).select_from(stuck.subquery())).one()
    many = session.scalar(sa.select(sa.func.sum(shared.c.people))) or 0
    people = count_people(session, row)
    return WeighedOrganisation(row, [(each.id, each.email) for each in members], people, int(many), old)


def open_organisation(session: Session, row: Organisation, wish: Opening) -> dict[str, Any]:
    """Open an organisation until the end of a day in Paris, or give it another last day; its members are told.

    Its row is locked. Return what changed, for the audit.

    Raises:
        ApiError: 409 organisation-ending; 422, the day is over or too far.
    """
    now = clock()
    if row.ends_at is not None:
        raise ApiError(409, "organisation-ending", "it ends: keep it first")
    until = datetime.combine(wish.until + timedelta(days=1), time(), zone_of(HOME_ZONE))
    if not now < until < now + _LONGEST:
        detail = "a day from today on, within three years"
        raise invalid(FieldError(path="until", rule="too_far", detail=detail))
    before = row.granted_until
    row.opened_at, row.granted_until = row.opened_at or now, until
    row.free_until = until if row.billed_since else None  # the job moves the other on
    session.flush()
    apply_grant(session, row)
    tell_members(session, row, "opened")
    return {"grantedUntil": [before and before.isoformat(), until.isoformat()]}


def lock_one(session: Session, organisation_id: UUID) -> Organisation:
    """Return an organisation, its row locked.

    Raises:
        ApiError: 404.
    """
    return ensure_found(session.get(Organisation, organisation_id, with_for_update=True), "organisation")
