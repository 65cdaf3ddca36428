"""Routes of /api/admin/users: accounts, roles and grants."""

from typing import Any
from uuid import UUID

from api.admin.access import audited, check_access
from api.admin.users import actions, queries
from api.admin.users.schemas import (
    GrantEntry,
    GrantPage,
    NewGrant,
    RoleChange,
    UserDetails,
    UserPage,
    UserQuery,
    UserSearch,
)
from api.middleware.auth import require_recent_proof
from api.middleware.openapi_helpers import BODY, declare_errors, make_blueprint
from api.paging import PageQuery
from api.schemas import IdPath

blueprint = make_blueprint(
    "admin-users",
    __name__,
    "/api/admin/users",
    "admin users",
    "For operators: accounts, roles and grants",
    signed_in=True,
)
blueprint.before_request(check_access)


class GrantPath(IdPath):
    """Which grant of the user."""

    grant_id: UUID


@blueprint.get("", responses={200: UserPage, **declare_errors(401, 403, 422)})
def list_users(query: UserQuery) -> dict[str, Any]:
    """List users, by role; the newest first."""
    with audited("users.search", "user") as work:
        found = queries.list_users(work.session, query, full=work.actor.sees_addresses)
        work.note_seen(each.id for each in found.items)
        return found.as_json()


@blueprint.post("/search", responses={200: UserPage, **declare_errors(*BODY, 401, 403)})
def search_users(body: UserSearch) -> dict[str, Any]:
    """Find the user who has an address, a whole one.

    The address is in the body: logs of proxies and shells keep URLs. Support may search.
    """
    with audited("users.search", "user") as work:
        return queries.search_users(work, body).as_json()


@blueprint.get("/<uuid:id>", responses={200: UserDetails, **declare_errors(401, 403, 404)})
def show_user(path: IdPath) -> dict[str, Any]:
    """Show one account."""
    with audited("user.view", "user", path.id) as work:
        return queries.read_user(work.session, path.id, full=work.actor.sees_addresses).as_json()


@blueprint.patch("/<uuid:id>/role", responses={200: UserDetails, **declare_errors(*BODY, 401, 403, 404, 409)})
def change_role(path: IdPath, body: RoleChange) -> dict[str, Any]:
    """Make a user support or admin, or take that away. Needs a recent proof; the last admin stays."""
    require_recent_proof()
    return actions.change_role(path.id, body.role).as_json()


@blueprint.get("/<uuid:id>/grants", responses={200: GrantPage, **declare_errors(401, 403, 404, 422)})
def list_grants(path: IdPath, query: PageQuery) -> dict[str, Any]:
    """List a user's grants, the newest first."""
    with audited("user.grants", "user", path.id) as work:
        return queries.list_grants(work.session, path.id, query).as_json()


@blueprint.post("/<uuid:id>/grants", responses={201: GrantEntry, **declare_errors(*BODY, 401, 403, 404, 409)})
def give_grant(path: IdPath, body: NewGrant) -> tuple[dict[str, Any], int]:
    """Give a plan. One that runs already is extended. Needs a recent proof."""
    require_recent_proof()
    return actions.give_grant(path.id, body).as_json(), 201


@blueprint.delete(
    "/<uuid:id>/grants/<uuid:grant_id>", responses={204: None, **declare_errors(401, 403, 404, 409)}
)
def end_grant(path: GrantPath) -> tuple[str, int]:
    """End a grant now; one that has not begun is removed. Needs a recent proof."""
    require_recent_proof()
    actions.end_grant(path.id, path.grant_id)
    return "", 204
