"""Slot ids of a match as ranges: one small row for any number of slots.

PostgreSQL's `int8multirange` as text, e.g. `{[7,9),[12,13)}` for 7, 8 and 12
(https://www.postgresql.org/docs/18/rangetypes.html).
"""

import re
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INT8RANGE

from api.models.notification import Match

_RANGE = re.compile(r"\[(\d+),(\d+)\)")


def write_ranges(ids: Iterable[int]) -> str:
    """Return ids, in any order, as the text of a multirange; `{}` for none."""
    found: list[list[int]] = []
    for each in sorted(set(ids)):
        if found and found[-1][1] == each:
            found[-1][1] = each + 1
        else:
            found.append([each, each + 1])
    return "{" + ",".join(f"[{first},{end})" for first, end in found) + "}"


def read_ranges(text: str) -> list[range]:
    """Return the ranges of a multirange's text, as PostgreSQL writes it, in their order."""
    return [range(int(first), int(end)) for first, end in _RANGE.findall(text)]


def select_announced_slots() -> sa.Subquery:
    """Return a query for every slot that a match announced: `match_id`, `announcement_id`, `slot_id`."""
    span = sa.func.unnest(Match.slots, type_=INT8RANGE()).label("span")
    spans = sa.select(Match.id, Match.announcement_id, span).subquery()
    last = sa.func.upper(spans.c.span) - 1
    slot_id = sa.func.generate_series(sa.func.lower(spans.c.span), last, type_=sa.BigInteger())
    return sa.select(
        spans.c.id.label("match_id"), spans.c.announcement_id, slot_id.label("slot_id")
    ).subquery()
