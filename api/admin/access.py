"""Access of operators: the transaction with its audit row."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import g

from api.admin.audit import Actor, AuditedWork, record_audit
from api.models.audit import ActorKind
from api.models.base import session
from api.web.auth import current_identity


@contextmanager
def audited(action: str, subject_type: str, subject_id: object | None = None) -> Iterator[AuditedWork]:
    """Give a transaction that commits together with its audit row. An error rolls both back."""
    who = current_identity()
    with session() as s:
        work = AuditedWork(s, Actor(who.user_id, ActorKind(who.role.value), g.request_id))
        yield work
        record_audit(work, action, subject_type, subject_id)
