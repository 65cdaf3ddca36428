"""View data of one account for operators."""

from dataclasses import dataclass
from uuid import UUID

from api.admin.audit import AuditedWork
from api.admin.users import queries
from api.admin.users.schemas import GrantPage, UserDetails
from api.paging import PageQuery


@dataclass(frozen=True, slots=True)
class UserView:
    """An account, its addresses shortened for support, and a page of its grants."""

    account: UserDetails
    grants: GrantPage


def read_user_view(work: AuditedWork, user_id: UUID, page: PageQuery) -> UserView:
    """Return what the page of a user shows.

    Raises:
        api.errors.ApiError: 404.
    """
    account = queries.read_user(work.session, user_id, full=work.actor.sees_addresses)
    return UserView(account, queries.list_grants(work.session, user_id, page))
