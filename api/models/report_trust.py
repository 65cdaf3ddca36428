"""Trust in people who report: what it rests on, and whether a report of one of them alone is told to all."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.report import TRUST_LASTS, TRUSTED_LOOKS, Reporter, Vouch
from api.models.user import User
from configs.ground.clock import clock


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a person's reports are believed."""

    looks: int  # at openings that others saw too
    last_on: date | None  # of them, or the day on which an operator named the person
    is_named: bool  # by an operator
    ended_because: str | None
    is_operator: bool

    @property
    def is_trusted(self) -> bool:
        """Whether a report of the person alone is told to all."""
        is_fresh = self.last_on is not None and self.last_on > (clock() - TRUST_LASTS).date()
        has_earned = is_fresh and (self.is_named or self.looks >= TRUSTED_LOOKS)
        return self.ended_because is None and (self.is_operator or has_earned)


def read_trust(session: Session, user_ids: Collection[UUID]) -> dict[UUID, Trust]:
    """Return by id how far people are trusted."""
    query = (
        sa.select(
            User.id, User.role, Reporter.named_at, Reporter.ended_because,
            sa.func.count(Vouch.id), sa.func.max(Vouch.vouched_on),
        )
        .outerjoin(Reporter, Reporter.user_id == User.id)
        .outerjoin(Vouch, Vouch.user_id == User.id)
        .where(is_any_of(User.id, user_ids))
        .group_by(User.id, Reporter.user_id)
    )  # fmt: skip
    trust = {}
    for key, role, named_at, ended_because, looks, last in session.execute(query):
        days = [each for each in (last, named_at and named_at.date()) if each]
        named, is_operator = named_at is not None, role.is_operator
        trust[key] = Trust(looks, max(days, default=None), named, ended_because, is_operator)
    return trust
