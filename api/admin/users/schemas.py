"""Bodies of /api/admin/users."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.accounts.schemas import Account, Email
from api.models.user import Role
from api.paging import PageQuery
from api.schemas import INTEGRAL, Answer, Body
from configs.world.plan import PlanName

LONGEST_GRANT = 3650  # days


class UserQuery(PageQuery):
    """Users who have the role."""

    role: Role | None = None


class UserSearch(Body):
    """The user who has this address, in any spelling: a whole one, so that nobody reads addresses by trying."""

    email: Email


class UserEntry(Answer):
    """A user in a list. Support sees the address shortened."""

    id: UUID
    email: str
    role: Role
    second_factor: bool
    created_at: datetime


class UserPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[UserEntry]
    next: UUID | None


class UserDetails(Account):
    """An account as its owner sees it, with what operators need. Support sees addresses shortened."""

    role: Role
    open_alerts: int
    former_email: str | None  # the mailbox that may take the account back


class RoleChange(Body):
    """`support` reads, `admin` acts, `user` has no access."""

    role: Role


class NewGrant(Body):
    """A plan that is given; without `days` as long as it is sold for, a subscription for a month."""

    plan: Literal[PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL]
    days: Annotated[int, Field(ge=1, le=LONGEST_GRANT, strict=True), INTEGRAL] | None = None


class GrantEntry(Answer):
    """A plan given to a user from one instant to another."""

    id: UUID
    user_id: UUID
    plan: PlanName
    starts_at: datetime
    ends_at: datetime
    source: str
    created_at: datetime


class GrantPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[GrantEntry]
    next: UUID | None
