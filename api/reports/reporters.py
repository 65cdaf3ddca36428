"""Reporters as operators decide about them: named as trusted, ended, heard again."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.ground.messages import write_message
from api.models.base import new_id
from api.models.report import Reporter, Vouch
from configs.ground.clock import clock

_DECIDED = "reports_decided"  # the kind of message


def name_reporter(session: Session, user_id: UUID) -> None:
    """Have a person trusted from now on, for as long as others see what they see."""
    _decide(session, user_id, named_at=clock(), ended_at=None, ended_because=None)


def end_reporting(session: Session, user_id: UUID, because: str, *, is_told: bool = True) -> None:
    """Take no more reports of a person, who is told, and from others the trust that the person's looks gave them."""
    _decide(session, user_id, named_at=None, ended_at=clock(), ended_because=because)
    of_person = sa.or_(Vouch.user_id == user_id, Vouch.voucher_id == user_id)
    session.execute(sa.delete(Vouch).where(of_person))
    if is_told:
        write_message(session, user_id, _DECIDED, {"reason": because}, f"{_DECIDED}:{new_id()}")


def resume_reporting(session: Session, user_id: UUID, *, is_told: bool = True) -> None:
    """Take reports of a person again, who is told; trust begins anew."""
    _decide(session, user_id, named_at=None, ended_at=None, ended_because=None)
    if is_told:
        write_message(session, user_id, _DECIDED, {"reason": None}, f"{_DECIDED}:{new_id()}")


def _decide(session: Session, user_id: UUID, **columns: object) -> None:
    made = insert(Reporter).values(user_id=user_id, **columns)
    session.execute(made.on_conflict_do_update(index_elements=[Reporter.user_id], set_=columns))
