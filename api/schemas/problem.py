"""The one shape of every error: problem details, RFC 9457."""

from typing import Any

from pydantic import Field

from api.schemas.base import Answer
from api.schemas.plan import PlanAnswer


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
        """Return it without what it has nothing to say about."""
        # not exclude_none: it would reach into the plans, where null says that nothing limits them
        return {name: value for name, value in super().as_json().items() if value is not None}
