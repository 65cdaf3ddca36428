"""Access of operators: the role and the second factor, and the transaction with its audit row."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import g

from api.admin.audit import Actor, AuditedWork, record_audit
from api.ground.errors import ApiError
from api.models.audit import ActorKind
from api.models.base import session
from api.models.user import Role
from api.web.auth import Identity, current_identity


def check_operator(identity: Identity, *, acts: bool) -> None:
    """Refuse who is no operator, or has not shown a second factor in this login; `acts`: only an admin may.

    Raises:
        ApiError: 403: operators-only, admins-only, second-factor-needed or recent-proof-needed.
    """
    if not identity.role.is_operator:
        raise ApiError(403, "operators-only", "this is for operators: an admin can make you one")
    if identity.role is not Role.ADMIN and acts:
        raise ApiError(403, "admins-only", "support reads: ask an admin to do this")
    if identity.totp_confirmed_at is None:
        raise ApiError(403, "second-factor-needed", "operators need a second factor: POST /api/auth/totp")
    if identity.proven_at < identity.totp_confirmed_at:
        detail = (
            "this login is older than the second factor: prove it by POST /api/auth/prove, or sign in again"
        )
        raise ApiError(403, "recent-proof-needed", detail)


def current_actor() -> Actor:
    """Return the operator of the request; `check_operator` has let it pass."""
    identity = current_identity()
    return Actor(identity.user_id, ActorKind(identity.role.value), g.request_id)


@contextmanager
def audited(action: str, subject_type: str, subject_id: object | None = None) -> Iterator[AuditedWork]:
    """Give a transaction that commits together with its audit row. An error rolls both back."""
    with session() as s:
        work = AuditedWork(s, current_actor())
        yield work
        record_audit(work, action, subject_type, subject_id)
