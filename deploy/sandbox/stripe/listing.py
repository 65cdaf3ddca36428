"""Lists of objects, newest first, page by page.

https://docs.stripe.com/api/pagination
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.objects import Json, make_list

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

PAGE: Final = ("limit", "starting_after", "ending_before")
_USUAL: Final = 10
_MOST: Final = 100
_RANGES: Final = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def list_kind(account: Account, given: Parameters, kind: str, url: str, *filters: str, **fixed: str) -> Json:
    """Return a page of a kind's objects: with the values given for ``filters``, created in the range given."""
    given.only(*PAGE, "created", *filters)
    found = account.where(kind, **fixed)
    for name in filters:
        value = given.text(name)
        if value is not None:
            found = [each for each in found if each.get(name) == value]
    return make_page(account, in_range(found, given, "created"), given, kind, url)


def in_range(found: list[Json], given: Parameters, name: str) -> list[Json]:
    """Return the objects whose ``name`` is in the range given: ``created[gte]=…``, or ``created=…``."""
    if isinstance(given.peek(name), str):
        moment = given.number(name)
        return [each for each in found if moment is None or each[name] == moment]
    bounds = given.nested(name).only(*_RANGES)
    for key, holds in _RANGES.items():
        bound = bounds.number(key)
        if bound is not None:
            found = [each for each in found if holds(each[name], bound)]
    return found


def make_page(account: Account, found: Iterable[Json], given: Parameters, kind: str, url: str) -> Json:
    """Return the page of these objects (oldest first) that the parameters ask for."""
    newest = list(found)[::-1]
    limit = read_limit(given)
    after, before = given.text("starting_after"), given.text("ending_before")
    if after and before:
        raise StripeError("You may only specify one of these parameters: starting_after, ending_before.")
    if before:
        first = account.find(kind, before, "ending_before")["_number"]
        newer = [each for each in newest if each["_number"] > first]
        return make_list(newer[-limit:], url, has_more=len(newer) > limit)
    if after:
        last = account.find(kind, after, "starting_after")["_number"]
        newest = [each for each in newest if each["_number"] < last]
    return make_list(newest[:limit], url, has_more=len(newest) > limit)


def read_limit(given: Parameters) -> int:
    """Return how many objects a page may have."""
    limit = given.number("limit", least=1) or _USUAL
    if limit > _MOST:
        raise StripeError("Invalid integer: limit is at most 100", param="limit")
    return limit
