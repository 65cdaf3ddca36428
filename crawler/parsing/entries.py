"""Lists of slots in JSON: only when an entry begins counts; of several, those stand that can be read."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, TypeVar

from pydantic import PlainValidator

from crawler.parsing.json_models import OrNone, moment_of

T = TypeVar("T")

Entries = list[OrNone[T]]


def slot_start_field(*names: str, read: Callable[[Any], date] = moment_of) -> PlainValidator:
    """Read an entry by when it begins: what stands under the first of these names that says something.

    An entry that is no object may be the moment itself. Whatever else stands in it is no slot: when it ends, or when
    a second visit would be. `read`: how the platform writes its moments.
    """

    def begins(entry: Any) -> date:
        named = [entry.get(name) for name in names] if isinstance(entry, dict) else [entry]
        return read(next(filter(None, named), None))

    return PlainValidator(begins)


def flat(lists: Iterable[Sequence[T | None] | None]) -> list[T | None]:
    """Return the entries of several lists as one: None also for a list that cannot be read."""
    return [entry for entries in lists for entry in ([None] if entries is None else entries)]
