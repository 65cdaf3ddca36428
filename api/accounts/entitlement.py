"""Entitlement: the plan that covers a moment, computed from the grants each time, never a flag."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.user import Grant
from configs.world.plan import Plan, PlanName, plan, plans, rank_plan


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The best plan that covers a moment, and when it ends without a renewal (None: no plan)."""

    plan: Plan
    ends_at: datetime | None
    # Where no plan covers the moment: the one that begins next, if any.
    next_plan: PlanName | None = None
    next_starts_at: datetime | None = None


def find_entitlement(session: Session, user_id: UUID, moment: datetime) -> Entitlement:
    """Return the best plan that covers `moment` (UTC), or the plan NONE."""
    return _find_best(list(session.scalars(_select_grants(), {"user": user_id, "moment": moment})), moment)


@cache
def _select_grants() -> sa.Select[Grant]:
    query = sa.select(Grant).where(
        Grant.user_id == sa.bindparam("user"), Grant.ends_at > sa.bindparam("moment")
    )
    return query.order_by(Grant.starts_at)


def _find_best(grants: list[Grant], moment: datetime) -> Entitlement:
    covering = [grant.plan for grant in grants if grant.covers_moment(moment)]
    if not covering:
        following = next(iter(grants), None)
        if following is None:
            return Entitlement(plan(PlanName.NONE), None)
        return Entitlement(plan(PlanName.NONE), None, following.plan, following.starts_at)
    best = max(covering, key=rank_plan)
    return Entitlement(plan(best), _find_end((each for each in grants if each.plan is best), moment))


def _find_end(grants: Iterable[Grant], moment: datetime) -> datetime:
    """Return the end of a chain of adjoining grants: buying again extends the plan."""
    end = moment
    for grant in grants:
        if grant.starts_at <= end:
            end = max(end, grant.ends_at)
    return end


def list_plans_above(than: Plan) -> list[Plan]:
    """Return the plans that allow more alerts, cheapest first."""
    return [each for name, each in plans().items() if rank_plan(name) > rank_plan(than.name)]
