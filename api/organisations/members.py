"""Members of an organisation: invitations by mail, accepted by the account of their address, roles, and ends."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import ensure_not_suspended, has_confirmed_mailbox, lock_user
from api.ground.errors import ApiError, ensure_found, invalid, not_found
from api.ground.limit_counters import hit_limit
from api.ground.messages import write_message, write_to_address
from api.ground.schemas import FieldError
from api.models.audit import ActorKind
from api.models.organisation import NOTICE_PERIOD, Member, Organisation
from api.models.user import User
from api.organisations.callers import Caller, Right, check_alive, find_member, lock_organisation, note_act
from api.organisations.schemas import Invitation, NewRole, OwnHours
from api.organisations.service import WAITING, organisation_members
from api.privacy.deletion import find_owned_alone
from configs.ground.addresses import fold_address
from configs.ground.clock import clock

INVITATIONS = "20 per day"  # of one organisation


def list_members(session: Session, caller: Caller) -> list[tuple[Member, str]]:
    """Return members and invitations that are not too old, each with its address, the oldest first."""
    caller.require(Right.READ)
    rows = sa.select(Member, User.email).outerjoin(User, User.id == Member.user_id)
    mine = rows.where(Member.organisation_id == caller.organisation.id, _is_alive()).order_by(Member.id)
    return [(member, email or member.email or "") for member, email in session.execute(mine)]


def invite_member(session: Session, caller: Caller, wish: Invitation) -> Member:
    """Write an invitation and its mail, in the language of the inviting member. The same address is invited once.

    The mail names the organisation only once an operator has opened it: anybody may ask for one by any name.

    Raises:
        ApiError: 403; 409 already-invited, too-many-members; 429.
    """
    caller.require(Right.MANAGE)
    organisation = lock_organisation(session, caller)
    email, now = fold_address(wish.email), clock()
    session.execute(sa.delete(Member).where(Member.organisation_id == organisation.id, ~_is_alive()))
    mine = sa.select(sa.func.count()).where(Member.organisation_id == organisation.id)
    same = mine.outerjoin(User).where((Member.email == email) | (User.email_folded == email))
    if session.scalars(same.select_from(Member)).one():
        raise ApiError(409, "already-invited", "this address is invited, or a member, already")
    if session.scalars(mine).one() >= (organisation_members() if organisation.opened_at else WAITING):
        detail = "no more members: an operator opens the organisation first, or end a membership"
        raise ApiError(409, "too-many-members", detail)
    hit_limit(INVITATIONS, "organisation-invitations", str(organisation.id))
    made = Member(organisation_id=organisation.id, email=email, role=wish.role, created_at=now)
    session.add(made)
    session.flush()
    inviting = session.get_one(User, caller.actor_id)
    named = organisation.name if organisation.opened_at else ""
    params = {"by": inviting.email, "organisation": named, "ends": (now + NOTICE_PERIOD).isoformat()}
    key = f"member_invited:{made.id}"
    write_to_address(session, email, "member_invited", params, key, language=inviting.language)
    note_act(session, caller, "member.invite", "member", made.id, role=wish.role)
    return made


def find_invitations(session: Session, user_id: UUID) -> list[tuple[Member, Organisation]]:
    """Return the invitations of the confirmed address of an account."""
    address = sa.select(User.email_folded).where(User.id == user_id).scalar_subquery()
    waiting = sa.select(Member, Organisation).join(Organisation).where(Member.email == address, _is_alive())
    if not has_confirmed_mailbox(session, user_id):
        return []
    rows = session.execute(waiting.order_by(Member.id)).all()
    return [(member, organisation) for member, organisation in rows if not organisation.is_stopped(clock())]


def accept_invitation(
    session: Session, user_id: UUID, member_id: UUID, request_id: str | None = None
) -> None:
    """Make a user a member, by an invitation to the account's own address.

    Raises:
        ApiError: 403 account-suspended; 404, also where it was taken back a moment ago; 409 already-member.
    """
    lock_user(session, user_id)
    ensure_not_suspended(session, user_id)
    found = {member.id: organisation for member, organisation in find_invitations(session, user_id)}
    member = session.get(Member, member_id, with_for_update=True)
    if member is None or member_id not in found:
        raise not_found("invitation to your address")
    if find_member(session, user_id):
        raise ApiError(409, "already-member", "you are a member of an organisation: leave it first")
    check_alive(found[member_id])
    member.user_id, member.email, member.joined_at = user_id, None, clock()
    session.flush()
    joined = Caller(found[member_id], ActorKind.MEMBER, user_id, frozenset(), member.id, request_id)
    note_act(session, joined, "member.join", "member", member.id)


def change_role(session: Session, caller: Caller, member_id: UUID, wish: NewRole) -> None:
    """Change what a member may do: an owner's act.

    Raises:
        ApiError: 403; 404; 409 last-owner.
    """
    caller.require(Right.MANAGE)
    lock_organisation(session, caller)
    member = _find(session, caller, member_id)
    if wish.role is not member.role:
        _check_owner_left(session, member)
        note_act(session, caller, "member.role", "member", member.id, role=[member.role, wish.role])
        member.role = wish.role


def change_hours(session: Session, caller: Caller, wish: OwnHours) -> None:
    """Change the caller's own hours.

    Raises:
        ApiError: 422, one is missing, or both are the same.
    """
    hours = wish.told_from, wish.told_until
    if any(hours) and (None in hours or wish.told_from == wish.told_until):
        raise invalid(FieldError(path="toldUntil", rule="hours", detail="give both hours, or none"))
    member = ensure_found(session.get(Member, caller.member_id, with_for_update=True), "member")
    member.told_from, member.told_until = hours


def end_member(session: Session, caller: Caller, member_id: UUID) -> None:
    """End a membership or an invitation: an owner's act, or one's own. Access ends with the next request.

    Raises:
        ApiError: 403; 404; 409 last-owner.
    """
    organisation = lock_organisation(session, caller)
    member = _find(session, caller, member_id)
    if member.id != caller.member_id:
        caller.require(Right.MANAGE)
    _check_owner_left(session, member)
    note_act(session, caller, "member.end", "member", member.id, user=str(member.user_id or ""))
    session.delete(member)
    session.flush()
    if member.user_id and member.id != caller.member_id:
        params = {"what": "member_ended", "organisation": organisation.name}
        write_message(session, member.user_id, "organisation_news", params, f"member_ended:{member.id}")


def _find(session: Session, caller: Caller, member_id: UUID) -> Member:
    member = ensure_found(session.get(Member, member_id, with_for_update=True), "member")
    if member.organisation_id != caller.organisation.id:
        raise not_found("member")
    return member


def _check_owner_left(session: Session, but: Member) -> None:
    """Refuse where a member is the last owner, who is to be none."""
    if but.user_id and find_owned_alone(session, but.user_id):
        raise ApiError(409, "last-owner", "this is the last owner: make another member one first, or end it")


def _is_alive() -> sa.ColumnElement[bool]:
    """Return the condition of a membership, or of an invitation that is not too old."""
    return Member.user_id.is_not(None) | (Member.created_at > clock() - NOTICE_PERIOD)
