"""Cache of what follows from addresses. Long ones are left out: a page names them, and many would fill the memory."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar, cast

LONGEST = 2000  # characters of all addresses of a call
_SIZE = 1 << 14  # each request names two addresses, and the next check of its desk names them again

Given = ParamSpec("Given")
Known = TypeVar("Known")


def cache_short(function: Callable[Given, Known]) -> Callable[Given, Known]:
    """Remember the last results of a function of addresses, which may be None."""
    cached = lru_cache(_SIZE)(function)

    @wraps(function)
    def call(*addresses: str | bytes | None) -> Known:
        short = sum(map(len, filter(None, addresses))) <= LONGEST
        return cached(*addresses) if short else function(*addresses)  # type: ignore[arg-type, call-arg]

    return cast("Callable[Given, Known]", call)
