"""Many rows in one statement, which is built once and says the same whatever their number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import KeyedColumnElement

from api.models.base import Base


@dataclass(frozen=True)
class BulkRows:
    """Many rows as one parameter per column instead of one per value; `name` keeps those of a statement apart."""

    name: str
    columns: tuple[KeyedColumnElement[Any], ...]

    @classmethod
    def of(cls, name: str, table: type[Base], columns: Iterable[str]) -> "BulkRows":
        """Return rows of some columns of a table."""
        return cls(name, tuple(table.__table__.c[each] for each in columns))

    @property
    def names(self) -> list[str]:
        """Return the columns' names."""
        return [each.name for each in self.columns]

    def rows(self) -> sa.TableValuedAlias:
        """Return them as a table of a statement."""
        arrays = [sa.bindparam(self._key(each), type_=ARRAY(each.type)) for each in self.columns]
        named = [sa.column(each.name, each.type) for each in self.columns]
        return sa.func.unnest(*arrays).table_valued(*named, name=f"{self.name}_rows").render_derived()

    def parameters(self, values: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
        """Return the parameters that the statement is executed with."""
        arrays = zip(*values, strict=True) if values else ((),) * len(self.columns)
        return {self._key(column): list(each) for column, each in zip(self.columns, arrays, strict=True)}

    def _key(self, column: KeyedColumnElement[Any]) -> str:
        return f"{self.name}_{column.name}"
