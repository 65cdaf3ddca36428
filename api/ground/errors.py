"""Errors that a request ends in; `api.web.problems` answers them as problem details.

Free of Flask, so that services, jobs and commands may raise them too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from api.ground.schemas import FieldError, LostPlan, PlanAnswer

T = TypeVar("T")


class ApiError(Exception):
    """A refused request. `word` ends the problem's type; `detail` says what to do, and `available_from` when."""

    def __init__(
        self,
        status: int,
        word: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        plans: Sequence[PlanAnswer] = (),
        lost: Sequence[LostPlan] = (),
        headers: Mapping[str, str] | None = None,
        available_from: datetime | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.word, self.detail = status, word, detail
        self.errors, self.plans, self.headers = list(errors), list(plans), dict(headers or {})
        self.available_from, self.lost = available_from, list(lost)


def invalid(*errors: FieldError) -> ApiError:
    """Return the refusal of a request whose fields are wrong."""
    fields = ", ".join(dict.fromkeys(error.path or "the body" for error in errors))
    return ApiError(422, "invalid", f"correct these and send it again: {fields}", errors=errors)


def not_found(what: str) -> ApiError:
    """Return the refusal of a request for something that is not there, or not this user's."""
    return ApiError(404, "not-found", f"there is no such {what}")


def ensure_found(found: T | None, what: str) -> T:
    """Return what was found.

    Raises:
        ApiError: 404, nothing was.
    """
    if found is None:
        raise not_found(what)
    return found
