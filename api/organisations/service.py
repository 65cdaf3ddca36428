"""Organisations as members see and change them, their contract (art. 28 RGPD), and as operators open and end them."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from api.accounts.queries import ensure_not_suspended, lock_user
from api.accounts.service import write_to_admins
from api.ground.errors import ApiError, ensure_found, invalid
from api.ground.limit_counters import hit_limit
from api.ground.paging import Found, PageQuery, read_page
from api.ground.schemas import Body, FieldError
from api.models.alert import Alert
from api.models.organisation import Beneficiary, Member, MemberRole, Organisation, OrganisationEnd
from api.models.user import Channel, Contact, User
from api.organisations.callers import Caller, Right, find_member, lock_organisation, note_act
from api.organisations.ends import apply_grant, tell_members
from api.organisations.schemas import Acceptance, NewOrganisation, OrganisationChange
from configs.ground.clock import clock
from configs.settings import Constant
from configs.world.desk import HOME_ZONE, zone_of
from configs.world.plan import find_organisation_prices

REQUESTS = "3 per day"  # of one person
WAITING = 2  # members, and people, of an organisation that no operator has opened
organisation_members = Constant("ORGANISATION_MEMBERS", 50)
organisation_people = Constant("ORGANISATION_PEOPLE", 500)
# Contract and terms by version, a date, with the legal texts: the French text binds, and versions stay
_DOCUMENTS = Path(__file__).parents[1] / "pages" / "public" / "documents"
_LONG = timedelta(days=180)  # that an entry may stay without anything found or closed
_SHARED = 3  # people with one mailbox
_LONGEST = timedelta(days=3 * 366)  # of a grant


@dataclass(frozen=True, slots=True)
class Membership:
    """A member's organisation, also one that has stopped, and how many people it helps of how many that it may."""

    member: Member
    organisation: Organisation
    people: int
    most_people: int
    newest_contract: str
    has_money: bool  # what is used has a price, or had one


@lru_cache
def list_versions(folder: str = "organisations") -> list[str]:
    """Return the versions of the contract, or of another document, the newest first."""
    return sorted((each.name for each in (_DOCUMENTS / folder).iterdir() if each.is_dir()), reverse=True)


def ask_for_organisation(session: Session, user_id: UUID, wish: NewOrganisation) -> Organisation:
    """Write an organisation with its first owner; an operator is to open it.

    Raises:
        ApiError: 403 account-suspended; 409 already-member; 429.
    """
    lock_user(session, user_id)
    ensure_not_suspended(session, user_id)
    if find_member(session, user_id):
        raise ApiError(409, "already-member", "you are a member of an organisation: leave it first")
    hit_limit(REQUESTS, "organisations", str(user_id))
    made = Organisation(**wish.model_dump())
    session.add(made)
    session.flush()
    session.add(Member(organisation_id=made.id, user_id=user_id, role=MemberRole.OWNER, joined_at=clock()))
    session.flush()
    params = {"organisation": str(made.id)}
    write_to_admins(session, "organisation_asked", params, f"organisation_asked:{made.id}")
    return made


def find_membership(session: Session, user_id: UUID) -> Membership | None:
    """Return the membership of a user with what its page shows; None of a member of none."""
    member = find_member(session, user_id)
    if member is None:
        return None
    row = session.get_one(Organisation, member.organisation_id)
    most = organisation_people() if row.opened_at else WAITING
    has_money = row.billed_since is not None or find_organisation_prices(clock().date()) is not None
    return Membership(member, row, count_people(session, row), most, list_versions()[0], has_money)


def count_people(session: Session, organisation: Organisation) -> int:
    """Return how many people an organisation helps."""
    mine = sa.select(sa.func.count()).where(Beneficiary.organisation_id == organisation.id)
    return session.scalars(mine).one()


def change_organisation(session: Session, caller: Caller, wish: OrganisationChange) -> None:
    """Change what an owner may change.

    Raises:
        ApiError: 403; 409 second-factor-needed, who asks all for it has it; 409 vat-abroad, it pays.
    """
    caller.require(Right.MANAGE)
    organisation = lock_organisation(session, caller)
    may_go = {"vat_number"}
    sent = wish.model_dump(exclude_unset=True).items()
    given = {name: value for name, value in sent if value is not None or name in may_go}
    if given.get("needs_second_factor") and not session.get_one(User, caller.actor_id).has_second_factor:
        raise ApiError(409, "second-factor-needed", "set up your own second factor first")
    for name, value in given.items():
        setattr(organisation, name, value)
    if organisation.billed_since:
        ensure_french_vat(organisation)
    note_act(session, caller, "organisation.change", "organisation", organisation.id, fields=sorted(given))


def ensure_french_vat(organisation: Organisation) -> None:
    """Refuse to bill a firm of another Member State: its VAT is due there, by itself (CGI, articles 259 and 283).

    Raises:
        ApiError: 409 vat-abroad.
    """
    if not (organisation.vat_number or "FR").startswith("FR"):
        raise ApiError(409, "vat-abroad", "firms with a VAT number of another Member State cannot be billed")


def accept_contract(session: Session, caller: Caller, wish: Acceptance) -> None:
    """Note that an owner accepts the newest contract.

    Raises:
        ApiError: 403; 409 contract-changed, it is not the newest version.
    """
    caller.require(Right.MANAGE)
    newest = list_versions()[0]
    if wish.version != newest:
        raise ApiError(409, "contract-changed", f"the contract is that of {newest} now: read it first")
    organisation = lock_organisation(session, caller)
    if organisation.contract_version != newest:
        organisation.contract_version, organisation.contract_accepted_at = newest, clock()
        organisation.contract_accepted_by = caller.actor_id
        note_act(session, caller, "organisation.accept", "organisation", organisation.id, version=newest)


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
    if row.free_until:  # it pays after it: the job moves the other on
        if row.free_until < now:
            row.paid_times = [*row.paid_times, Range(row.free_until, now)]
        row.free_until = until
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
