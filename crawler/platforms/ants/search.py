"""A search over many places in one answer: what it proves where parts are missing."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from configs.ground.strict_model import Strict
from crawler.parsing.json_models import parse_json
from crawler.reading import CoveredWindow, Outcome, Page, Reading, Slot, VisitContext


class Point(Strict):
    """A point on the map, in degrees (WGS 84)."""

    longitude: Annotated[float, Field(ge=-180, le=180)]
    latitude: Annotated[float, Field(ge=-90, le=90)]


def one_of(*taken: float) -> AfterValidator:
    """Return the validator of a number that must be one of those that the server accepts."""

    def check(value: float) -> float:
        if value not in taken:
            raise ValueError(f"must be one of {', '.join(map(str, taken))}: the server takes no other")
        return value

    return AfterValidator(check)


T = TypeVar("T")


def entries(pages: Iterable[Page], shape: type[list[T | None]]) -> list[T | None]:
    """Return the entries of several JSON lists as one list; a page of another shape is one entry None.

    Raises:
        ValueError: a page is no JSON (a wall's page), or null: then nothing counts.
    """
    found: list[T | None] = []
    for page in pages:
        listed = parse_json(page, shape)
        if listed is None and parse_json(page, object) is None:
            raise ValueError(f"holds what is no JSON: {page.text[:100]!r}")
        found += [None] if listed is None else listed
    return found


def read_search(
    page: Page,
    lists: Iterable[Page],
    shape: type[list[T | None]],
    slots_of: Callable[[T, Page], list[Slot | None]],
    what: str,
    *,
    trouble: Reading | None = None,
    doubt: str = "",
) -> Reading:
    """Return what a search proves whose results are these lists; `slots_of` gives an entry's slots.

    The other arguments are those of `combine_places`. If a list is no JSON, nothing counts.
    """
    try:
        found = entries(lists, shape)
    except ValueError as error:
        return Reading(Outcome.UNREADABLE, str(error))
    seen = [slot for entry in found for slot in (slots_of(entry, page) if entry else [None])]
    return combine_places(page.visit, seen, what, trouble=trouble, doubt=doubt)


def failures(failed: int, asked: int, what: str) -> Reading | None:
    """Return the reading of a search with failed sources, or without any source; None if all answered.

    `what` is the noun for a source in the reason.
    """
    if not asked:
        return Reading(Outcome.UNREADABLE, f"no {what} was asked: is the area right?")
    return Reading(Outcome.OVERLOADED, f"{what}s failed: {failed} of {asked}") if failed else None


def combine_places(
    visit: VisitContext,
    seen: Sequence[Slot | None],
    what: str,
    *,
    trouble: Reading | None = None,
    doubt: str = "",
) -> Reading:
    """Return what a search proves that answers for all places of a desk until the last watched day.

    `seen`: its slots, None for each unreadable entry. `what`: the noun for a place in the reason. `trouble`: a failure
    elsewhere in the search. With trouble or an unreadable entry the answer covers nothing, and without slots that is
    its outcome. `doubt`: why slots may be missing without a failure: an absence is then doubtful.
    """
    odd = seen.count(None)
    slots = tuple({(slot.place.key, slot.moment): slot for slot in seen if slot}.values())
    if odd and not trouble:
        trouble = Reading(Outcome.UNREADABLE, f"entries that cannot be read: {odd}")
    if trouble and not slots:
        return trouble
    covered = () if trouble else (CoveredWindow(None, None, visit.last_day, bool(doubt)),)
    if not slots:
        reason = f"no {what} has a slot"
        return Reading(Outcome.NO_SLOTS, f"{reason}, but {doubt}" if doubt else reason, covered=covered)
    said = f"{what}s with slots: {len({slot.place.key for slot in slots})}"
    return Reading(Outcome.SLOTS, f"{said}; {trouble.reason}" if trouble else said, slots, covered)
