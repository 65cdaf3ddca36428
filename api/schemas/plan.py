"""A plan as the outside sees it."""

from typing import Self

from api.schemas.base import Answer
from configs.plan import Plan, PlanName


class PlanAnswer(Answer):
    """One plan: price in cents, times in seconds; `alerts` is null where no fixed number limits it."""

    plan: PlanName
    amount: int
    currency: str
    duration_seconds: int | None
    recurring: bool
    alerts: int | None
    interval_seconds: int | None
    channels: list[str]

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Return what plans.yaml says of it."""
        return cls(
            plan=plan.name,
            amount=plan.price_cents,
            currency=plan.currency,
            duration_seconds=plan.duration_seconds,
            recurring=plan.recurring,
            alerts=plan.alerts,
            interval_seconds=plan.interval_seconds,
            channels=sorted(plan.channels),
        )
