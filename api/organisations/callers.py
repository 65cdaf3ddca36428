"""Callers: who acts for an organisation, by membership or API key, with the rights of now, read at each request."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import ensure_not_suspended
from api.ground.errors import ApiError, not_found
from api.models.audit import ActorKind, AuditEntry
from api.models.organisation import Member, MemberRole, Organisation
from api.models.user import User
from configs.ground.clock import clock


class Right(StrEnum):
    """What a caller may do; scopes of API keys are words of it."""

    READ = "read"  # see people, what they wait for and who was told
    HELP = "help"  # enter people, change them and what they wait for
    MANAGE = "manage"  # members, contract, keys, webhooks, the organisation itself


RIGHTS: Mapping[MemberRole, frozenset[Right]] = {
    MemberRole.OWNER: frozenset(Right),
    MemberRole.CASEWORKER: frozenset({Right.READ, Right.HELP}),
    MemberRole.VIEWER: frozenset({Right.READ}),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A member in one request, or an API key. All that is read or changed is of `organisation`."""

    organisation: Organisation
    actor: ActorKind  # MEMBER or KEY
    actor_id: UUID  # the user's id, or the key's
    rights: frozenset[Right]
    member_id: UUID | None = None
    request_id: str | None = None

    def require(self, right: Right) -> None:
        """Refuse what the role, or the key's scopes, do not allow.

        Raises:
            ApiError: 403 role-too-low.
        """
        if right not in self.rights:
            raise ApiError(403, "role-too-low", f"this needs the right to {right}: ask an owner")


def find_member(session: Session, user_id: UUID) -> Member | None:
    """Return the membership of a user."""
    return session.scalars(sa.select(Member).where(Member.user_id == user_id)).one_or_none()


def read_caller(
    session: Session, user_id: UUID, request_id: str | None = None, *, also_stopped: bool = False
) -> Caller:
    """Return a user as a member who may act now; `also_stopped`: what is owed is paid after an end or a suspension.

    Raises:
        ApiError: 404, a member of no organisation; 403 account-suspended, organisation-ended, or
            second-factor-needed where the organisation asks for it.
    """
    query = sa.select(Member, Organisation, User.totp_confirmed_at).join(Organisation).join(User)
    found = session.execute(query.where(Member.user_id == user_id)).one_or_none()
    if found is None:
        raise not_found("organisation: you are a member of none")
    member, organisation, factor_since = found
    if not also_stopped:
        ensure_not_suspended(session, user_id)
        check_alive(organisation)
    if organisation.needs_second_factor and factor_since is None:
        detail = "your organisation asks its members for a second factor: set it up by POST /api/auth/totp"
        raise ApiError(403, "second-factor-needed", detail)
    return Caller(organisation, ActorKind.MEMBER, user_id, RIGHTS[member.role], member.id, request_id)


def check_alive(organisation: Organisation) -> None:
    """Refuse every act for an organisation that stopped.

    Raises:
        ApiError: 403 organisation-ended.
    """
    if organisation.is_stopped(clock()):
        reason = organisation.end_reason or organisation.ends_because
        raise ApiError(403, "organisation-ended", f"it has ended ({reason}); write to support to object")


def lock_organisation(session: Session, caller: Caller) -> Organisation:
    """Lock the caller's organisation, so that two requests cannot both count and then both add."""
    session.refresh(caller.organisation, with_for_update=True)
    check_alive(caller.organisation)
    return caller.organisation


def note_act(
    session: Session,
    caller: Caller,
    action: str,
    subject_type: str,
    subject_id: object | None,
    **changes: Any,
) -> None:
    """Add the audit row of what a caller did or saw: ids and plain values, no personal data."""
    session.add(
        AuditEntry(
            at=clock(), actor_id=caller.actor_id, actor_kind=caller.actor, action=action, subject_type=subject_type,
            subject_id=None if subject_id is None else str(subject_id), request_id=caller.request_id,
            changes={"organisation": str(caller.organisation.id)} | changes,
        )
    )  # fmt: skip
