"""Rows that the values of messages name, loaded together before their kinds read them one by one."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only, selectinload

from api.models.alert import Alert
from api.models.base import is_any_of
from api.models.declaration import Declaration
from api.models.notification import Notification
from api.models.payment import Payment, Refund, Subscription
from api.models.user import User

_USER = load_only(User.role, User.time_zone)
_TARGETS = selectinload(Alert.targets)


def load_named_rows(session: Session, rows: Sequence[Notification]) -> list[object]:
    """Load users and what `params` name into the session, one query per table. Hold the result as long as it is used.

    A kind's `session.get` asks no database for what the session has.
    """
    refunds = _load(session, sa.select(Refund), Refund.id, _read_ids(rows, "refund"))
    declarations = _load(session, sa.select(Declaration), Declaration.id, _read_ids(rows, "declaration"))
    orders = {each.payment_id for each in (*refunds, *declarations) if each.payment_id}
    return [
        *refunds,
        *declarations,
        *_load(
            session, sa.select(User).options(_USER), User.id, {row.user_id for row in rows if row.user_id}
        ),
        *_load(session, sa.select(Alert).options(_TARGETS), Alert.id, _read_ids(rows, "alert")),
        *_load(session, sa.select(Payment), Payment.id, _read_ids(rows, "payment") | orders),
        *_load(session, sa.select(Subscription), Subscription.id, _read_ids(rows, "subscription")),
    ]


def _load(session: Session, query: sa.Select[Any], key: Any, ids: Iterable[UUID]) -> Sequence[Any]:
    return session.scalars(query.where(is_any_of(key, ids))).all() if ids else ()


def _read_ids(rows: Iterable[Notification], name: str) -> set[UUID]:
    """Return the ids that the rows name so; a malformed one is left to its kind."""
    found = set()
    for row in rows:
        params: object = row.params  # as the row has it: any JSON
        with suppress(ValueError):
            found.add(UUID(str(params.get(name) if isinstance(params, dict) else None)))
    return found
