"""Bodies that several nouns share: their base classes, a plan, and problem details (RFC 9457).

JSON has camelCase keys; the attributes are in snake_case.
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from configs.plan import Plan, PlanName
from configs.strict_model import Strict

Language = Literal["fr", "en"]  # of messages to people


class Body(Strict):
    """Body of a request; unknown keys and NUL bytes are refused."""

    model_config = ConfigDict(alias_generator=to_camel)


class Answer(BaseModel):
    """Body of a response."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        from_attributes=True,
        json_schema_serialization_defaults_required=True,
    )

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values: instants as ISO 8601 with `Z`, dates as `YYYY-MM-DD`."""
        return self.model_dump(mode="json", by_alias=True)

    def as_bytes(self) -> bytes:
        """Return the same as JSON text."""
        return self.model_dump_json(by_alias=True).encode()


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
        """Return a plan of plans.yaml as an answer."""
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


class FieldError(Answer):
    """What is wrong with one field of the request."""

    path: str = Field(examples=["limits.weekdays.0"])
    rule: str = Field(examples=["less_than_equal"])
    detail: str = Field(examples=["Input should be less than or equal to 7"])


class Problem(Answer):
    """An error. `type` never changes, so programs may compare it; `detail` says what to do."""

    type: str = Field(examples=["tag:rdvpriority.fr,2026:problem:invalid"])
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: list[FieldError] | None = None
    plans: list[PlanAnswer] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it without empty members."""
        # Not exclude_none, which would apply to the plans too, where null means that there is no limit.
        return {name: value for name, value in super().as_json().items() if value is not None}
