"""Offers: the desks of the alert that an order brings as things stand, and the check that is asked of them first."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.schemas import NewAlert
from api.alerts.wishes import ResolvedWish, resolve_wish
from api.models.desk import DeskState
from api.models.watchability import Hindrance, Standing, rank_standing
from configs.ground.clock import clock

_PROVEN_LATELY = timedelta(minutes=15)  # an older proof is renewed while the order's page is open
_ASKED_LATELY = timedelta(minutes=10)  # one check for each desk in this time, however many open the page
_MAY_ANSWER = {
    None, Hindrance.RETURNING, Hindrance.UNPROVEN, Hindrance.DOUBTED, Hindrance.FAILING, Hindrance.SILENT,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offer:
    """A wish as an order shows it; `is_asked`: a check of one of its desks was asked for, and has not come."""

    found: ResolvedWish
    is_asked: bool

    @property
    def standings(self) -> list[Standing]:
        """Return those of its desks, the nearest to be watchable first."""
        return sorted((self.found.standings[each.id] for each in self.found.desks), key=rank_standing)


def read_offer(session: Session, wish: NewAlert) -> Offer:
    """Return what is offered of a wish, and ask its desks whose last proof is old.

    Raises:
        ApiError: 422 as for `resolve_wish`.
    """
    found, now = resolve_wish(session, wish), clock()
    about = [found.standings[each.id] for each in found.desks]
    if ids := [each.desk.id for each in about if _needs_proof(each)]:
        old = sa.or_(DeskState.order_check_at.is_(None), DeskState.order_check_at <= now - _ASKED_LATELY)
        mine = sa.select(DeskState.id).where(DeskState.id.in_(ids), old).order_by(DeskState.id)
        chosen = session.scalars(mine.with_for_update(key_share=True)).all()
        asked = {"check_requested_at": now, "order_check_at": now}
        session.execute(sa.update(DeskState).where(DeskState.id.in_(chosen)).values(asked))
        session.flush()
    return Offer(found, any(_awaits_answer(each, now) for each in about))


def _needs_proof(standing: Standing) -> bool:
    """Return whether a check could renew the proof of a desk: one that rests or is stopped is left alone."""
    if standing.state is None or standing.hindrance not in _MAY_ANSWER:
        return False
    proven = standing.state.last_proven_at
    return bool(standing.hindrance) or proven is None or proven < clock() - _PROVEN_LATELY


def _awaits_answer(standing: Standing, now: datetime) -> bool:
    """Return whether the check that was asked for lately has not come."""
    state = standing.state
    if state is None or state.order_check_at is None or state.order_check_at <= now - _ASKED_LATELY:
        return False
    return state.last_check_at is None or state.last_check_at < state.order_check_at
