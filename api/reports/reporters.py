"""Reporters as operators decide about them: named as trusted, ended, heard again; and how far anybody is trusted."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.report import TRUST_LASTS, TRUSTED_LOOKS, Reporter, Vouch
from configs.ground.clock import clock


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a person's reports are believed."""

    looks: int  # at openings that others saw too
    last_on: date | None  # of them
    is_named: bool  # by an operator
    ended_because: str | None

    @property
    def is_trusted(self) -> bool:
        """Whether a report of the person alone is told to all."""
        is_fresh = self.last_on is not None and self.last_on > (clock() - TRUST_LASTS).date()
        return self.ended_because is None and is_fresh and (self.is_named or self.looks >= TRUSTED_LOOKS)


def read_trust(session: Session, user_id: UUID) -> Trust:
    """Return how far a person is trusted, as crawler/reports/people.py reckons; operators are besides."""
    decided = session.get(Reporter, user_id)
    mine = sa.select(sa.func.count(), sa.func.max(Vouch.vouched_on)).where(Vouch.user_id == user_id)
    looks, last = session.execute(mine).one()
    named = decided.named_at if decided else None
    days = [each for each in (last, named and named.date()) if each]
    return Trust(
        looks, max(days, default=None), named is not None, decided.ended_because if decided else None
    )


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
