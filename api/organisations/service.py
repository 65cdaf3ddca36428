"""Organisations as their members see and change them: asked for, described, their contract (art. 28 RGPD) accepted."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import ensure_not_suspended, lock_user
from api.accounts.service import write_to_admins
from api.ground.errors import ApiError
from api.ground.limit_counters import hit_limit
from api.models.organisation import Beneficiary, Member, MemberRole, Organisation
from api.models.user import User
from api.organisations.callers import Caller, Right, find_member, lock_organisation, note_act
from api.organisations.schemas import Acceptance, NewOrganisation, OrganisationChange
from configs.ground.clock import clock
from configs.settings import Constant
from configs.world.plan import find_organisation_prices

REQUESTS = "3 per day"  # of one person
WAITING = 2  # members, and people, of an organisation that no operator has opened
organisation_members = Constant("ORGANISATION_MEMBERS", 50)
organisation_people = Constant("ORGANISATION_PEOPLE", 500)
# Contract and terms by version, a date, with the legal texts: the French text binds, and versions stay
_DOCUMENTS = Path(__file__).parents[1] / "pages" / "public" / "documents"


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
        ApiError: 403; 409 second-factor-needed, who asks all for it has it.
    """
    caller.require(Right.MANAGE)
    organisation = lock_organisation(session, caller)
    given = wish.model_dump(exclude_none=True)
    if given.get("needs_second_factor") and not session.get_one(User, caller.actor_id).has_second_factor:
        raise ApiError(409, "second-factor-needed", "set up your own second factor first")
    for name, value in given.items():
        setattr(organisation, name, value)
    note_act(session, caller, "organisation.change", "organisation", organisation.id, fields=sorted(given))


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
