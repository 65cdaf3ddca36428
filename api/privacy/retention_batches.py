"""Batches of 5,000 old rows or texts that are erased: a job that is killed half-way goes on where it was."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import InstrumentedAttribute

from api.models.base import is_any_of, write_once
from api.models.candidate import Candidate
from api.models.declaration import Declaration
from api.models.payment import Payment
from configs.ground.clock import clock
from configs.world.retention import slots_kept_for

BATCH = 5_000
# Nobody can claim anything from a declaration any more by then: article 2224 of the Code civil.
_WORDS_KEPT_FOR = timedelta(days=5 * 365 + 2)
_WISHES_KEPT_FOR = timedelta(days=30)  # an order is paid, by a bank debit too, within days or never
_GIVERS_KEPT_FOR = timedelta(days=365)  # by then they were told what became of it, or nothing will
_WORDS = {"name": None, "email": None, "reference": None}
# Gone slots are found by desk: that is the order of their index.
_DROP_SLOTS = sa.text("""DELETE FROM slots WHERE id = ANY(ARRAY(
  SELECT old.id FROM desks d CROSS JOIN LATERAL (
    SELECT s.id FROM slots s WHERE s.desk_id = d.id AND s.gone_at IS NOT NULL AND s.gone_at < :before
    ORDER BY s.gone_at LIMIT :most
  ) old LIMIT :most
)) RETURNING id
""")


def delete_in_batches(key: InstrumentedAttribute[Any], *conditions: sa.ColumnElement[bool]) -> int:
    """Delete the rows of a primary key's table that meet the conditions; return how many.

    The rows are found first and deleted by their keys: of `IN (SELECT …)` PostgreSQL may read the whole table. What no
    longer meets the conditions by then, as an account that was confirmed meanwhile, stays.
    """

    def delete(s: Session) -> tuple[int, int]:
        keys = list(s.scalars(sa.select(key).where(*conditions).limit(BATCH)))
        gone = key == sa.any_(sa.literal(keys, ARRAY(key.type)))
        return len(keys), _count(s, sa.delete(key.class_).where(gone, *conditions))

    return _repeat(delete)


def erase_declarations() -> int:
    """Erase name, address and reference of declarations after five years; return how many.

    Their age is `made_at`: the id of a form's declaration is made of its words, and says nothing about its time. There
    are few enough to walk along the primary key each night.
    """
    has_words = sa.func.num_nonnulls(Declaration.name, Declaration.email, Declaration.reference) > 0
    old = sa.select(Declaration.id).where(Declaration.made_at < clock() - _WORDS_KEPT_FOR, has_words)

    def erase(s: Session) -> tuple[int, int]:
        ids = list(s.scalars(old.order_by(Declaration.id).limit(BATCH)))
        return len(ids), _count(
            s, sa.update(Declaration).where(is_any_of(Declaration.id, ids)).values(_WORDS)
        )

    return _repeat(erase)


def forget_wishes() -> int:
    """Empty the alerts of orders that were not paid within a month, and never will be; return how many."""
    old = sa.select(Payment.id).where(
        Payment.alert_wish.is_not(None), Payment.created_at < clock() - _WISHES_KEPT_FOR
    )

    def forget(s: Session) -> tuple[int, int]:
        ids = list(s.scalars(old.order_by(Payment.id).limit(BATCH)))
        return len(ids), _count(
            s, sa.update(Payment).where(is_any_of(Payment.id, ids)).values(alert_wish=sa.null())
        )

    return _repeat(forget)


def forget_givers() -> int:
    """Forget who gave a candidate a year ago; return how many. The few rows are one batch."""
    old = (Candidate.user_id.is_not(None), Candidate.given_at < clock() - _GIVERS_KEPT_FOR)
    return write_once(lambda s: _count(s, sa.update(Candidate).where(*old).values(user_id=None)))


def drop_gone_slots() -> int:
    """Delete slots that are gone for SLOTS_KEPT_FOR; return how many. Their matches keep the ids."""
    before = clock() - slots_kept_for()

    def drop(s: Session) -> tuple[int, int]:
        gone = len(s.scalars(_DROP_SLOTS, {"before": before, "most": BATCH}).all())
        return gone, gone

    return _repeat(drop)


def _repeat(step: Callable[[Session], tuple[int, int]]) -> int:
    """Do a step, which returns how many rows it found and changed, in transactions until one finds no whole batch."""
    changed, is_full = 0, True
    while is_full:
        found, done = write_once(step)
        changed += done
        is_full = found == BATCH
    return changed


def _count(session: Session, statement: sa.Delete | sa.Update) -> int:
    done = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("sa.CursorResult[Any]", done).rowcount
