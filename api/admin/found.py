"""Searches of operators: one page of what was found, and the conditions that a filter gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Found(Generic[R]):
    """Rows, and where the following page begins; None at the end."""

    items: Sequence[R]
    next: object = None


def apply_filter(query: sa.Select[R], wanted: BaseModel, **columns: Any) -> sa.Select[R]:
    """Return a query for rows whose columns have the values that are given: `status=Payment.status`."""
    for name, column in columns.items():
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(column == value)
    return query
