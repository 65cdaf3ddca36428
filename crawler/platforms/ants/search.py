"""One search over many places at once: what the slots prove that it found, where some of its answer is missing."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from crawler.parsing.json_models import parse_json
from crawler.reading import CoveredWindow, Outcome, Page, Reading, Slot, VisitContext

T = TypeVar("T")


def entries(pages: Iterable[Page], shape: type[list[T | None]]) -> list[T | None]:
    """Return the entries of several JSON lists as one list, None also for each page that is no such list.

    Raises:
        ValueError: a page is no JSON at all (a wall's page), or null: beside it nothing is believed.
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
    """Say what a search proves that found the entries of these lists, by their shape, whose slots `slots_of` tells.

    The others are those of `combine_places`. Where a list is no JSON nothing is believed.
    """
    try:
        found = entries(lists, shape)
    except ValueError as error:
        return Reading(Outcome.UNREADABLE, str(error))
    seen = [slot for entry in found for slot in (slots_of(entry, page) if entry else [None])]
    return combine_places(page.visit, seen, what, trouble=trouble, doubt=doubt)


def failures(failed: int, asked: int, what: str) -> Reading | None:
    """Say what it means that some of those who were asked have failed, or that nobody was; None where all answered.

    `what` is the name of one of them, for the reason.
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
    """Say what a search proves that answers for all places of a desk until the last day that is watched.

    `seen`: its slots, None for each entry that cannot be read. `what`: the name of one place, for the reason.
    `trouble`: what went wrong elsewhere in the search. It or an unread entry keeps the answer from covering anything,
    and is the outcome where no slot was found. `doubt`: why slots may be missing though nothing went wrong: an
    absence then counts as doubtful.
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
