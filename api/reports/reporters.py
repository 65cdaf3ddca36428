"""Reporters as operators decide about them: named as trusted, ended, heard again."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.report import Reporter, Vouch
from configs.ground.clock import clock


def name_reporter(session: Session, user_id: UUID) -> None:
    """Have a person trusted from now on, for as long as others see what they see."""
    _decide(session, user_id, named_at=clock(), ended_at=None, ended_because=None)


def end_reporting(session: Session, user_id: UUID, because: str) -> None:
    """Take no more reports of a person, and from others the trust that the person's looks gave them."""
    _decide(session, user_id, named_at=None, ended_at=clock(), ended_because=because)
    of_person = sa.or_(Vouch.user_id == user_id, Vouch.voucher_id == user_id)
    session.execute(sa.delete(Vouch).where(of_person))


def resume_reporting(session: Session, user_id: UUID) -> None:
    """Take reports of a person again; trust begins anew."""
    _decide(session, user_id, named_at=None, ended_at=None, ended_because=None)


def _decide(session: Session, user_id: UUID, **columns: object) -> None:
    made = insert(Reporter).values(user_id=user_id, **columns)
    session.execute(made.on_conflict_do_update(index_elements=[Reporter.user_id], set_=columns))
