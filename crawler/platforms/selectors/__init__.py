"""Any other page: a desk's YAML says by CSS or XPath how free slots look there, and how their absence looks."""

from collections.abc import Sequence
from typing import ClassVar

from lxml.html import HtmlElement

from crawler.parsing.absence import Statement, check_page
from crawler.parsing.css_selectors import Selector, find_matches, find_visible
from crawler.parsing.date_parsing import has_unmatched_dates
from crawler.parsing.date_windows import day_of
from crawler.parsing.error_pages import read_error_status
from crawler.platform_base import Platform
from crawler.platforms.selectors.navigation import (
    NavigationPath,
    NavigationProgress,
    entry,
    next_page,
    onward,
    progress,
)
from crawler.platforms.selectors.rules import AbsenceRules, SlotRules
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Reading, Slot, VisitContext

_MOST_SLOTS = 1000


class SelectorsParameters(SlotRules, AbsenceRules, NavigationPath):
    """The rules of one site: its free slots, their absence, the way there, and parts to ignore."""

    ignore: Selector | None = None  # parts without slots, whose dates are none (news, the next release)
    captcha: Selector | None = None
    wait: Selector | None = None  # in a browser: shows once the page is ready; default: a slot or the absence


class Selectors(Platform):
    """Any other page, read by the rules in the desk's YAML."""

    SYSTEM = "custom"
    EXAMPLE = "https://rendez-vous.example/creneaux"
    EXAMPLE_PARAMETERS: ClassVar = {
        "available": "a.creneau-libre",
        "date": ".",
        "no_slot_text": "Aucun rendez-vous n'est disponible.",
    }
    Parameters = SelectorsParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the desk's page."""
        return entry(visit, visit.parameters, _marks(visit.parameters))

    def read_page(self, page: Page) -> Reading:
        """Take the next step before the slots, or read the slots."""
        wanted: SelectorsParameters = page.visit.parameters
        if error := read_error_status(page, entry=progress(page) == NavigationProgress()):
            return error
        if wanted.captcha and find_visible(page.root, wanted.captcha):
            return Reading(Outcome.CAPTCHA, f"its captcha's mark is there: {wanted.captcha}")
        return onward(page, wanted, _early) or _slots(page, wanted)


def _marks(wanted: SelectorsParameters) -> tuple[str, ...]:
    text = wanted.no_slot_text and f"text={wanted.no_slot_text}"
    either = (wanted.available, wanted.no_slot, text, wanted.captcha)
    return (wanted.wait,) if wanted.wait else tuple(filter(None, either))


def _early(page: Page) -> Reading | None:
    """Read the absence of slots on a page before the last step."""
    wanted: SelectorsParameters = page.visit.parameters
    said = wanted.none(page)
    return _nothing(page, said) if said and not wanted.free(page) else None


def _slots(page: Page, wanted: SelectorsParameters) -> Reading:
    free, said = wanted.free(page), wanted.none(page)
    if free and said and not said.doubt:
        return Reading(Outcome.UNREADABLE, f"shows {len(free)} free slots and says {said.words!r}")
    if len(free) > _MOST_SLOTS:
        return Reading(Outcome.UNREADABLE, f"shows {len(free)} free slots, which no page does")
    if not free:
        return _none(page, wanted, said) if said else Reading()
    broken = b"<html" in page.lowered and b"</html" not in page.lowered  # the last slot may be cut
    slots = [wanted.slot(page, each) for each in (free[:-1] if broken else free)]
    read = tuple(filter(None, slots))
    ahead = tuple(slot for slot in read if not _is_past(slot, page))
    if not ahead:
        why = "lies ahead" if read else "can be read"
        return Reading(Outcome.UNREADABLE, f"shows {len(free)} free slots, none of which {why}")
    timeless = any(slot.moment is None for slot in read)
    doubts = bool(progress(page).doubts) or len(read) < len(free) or (not timeless and _astray(page, read))
    following = next_page(page, wanted, _marks(wanted), doubts=doubts)
    covered = () if following or doubts or timeless or said else (CoveredWindow(),)
    return Reading(Outcome.SLOTS, f"{len(read)} of {len(free)} free slots read", ahead, covered, following)


def _none(page: Page, wanted: SelectorsParameters, said: Statement) -> Reading:
    """Read a page of no free slots: more pages may follow."""
    doubts = bool(progress(page).doubts)
    if wanted.next_page and (
        following := next_page(page, wanted, _marks(wanted), doubts=doubts or _astray(page, ()))
    ):
        return Reading(None, "0 of 0 free slots read", asks=following)
    return _nothing(page, said, doubts=doubts)


def _is_past(slot: Slot, page: Page) -> bool:
    return slot.moment is not None and day_of(slot.moment, page.visit.zone) < page.visit.today


def _nothing(page: Page, said: Statement, *, doubts: bool = False) -> Reading:
    words = f"says {said.words!r}"
    if doubts or _astray(page, ()):
        return Reading(Outcome.UNREADABLE, f"{words} and names a moment: a slot, or one to `ignore`")
    if page.visit.parameters.hides(page):
        return Reading(Outcome.UNREADABLE, f"{words} and hides a free slot")
    said = check_page(page, said, _ignored(page))
    if said.doubt:
        return Reading(Outcome.UNREADABLE, f"{words} {said.doubt}")
    if said.beyond:
        until = CoveredWindow(last=page.visit.last_day)
        return Reading(Outcome.NO_SLOTS, f"{said.words}; {said.beyond}", covered=(until,))
    return Reading(Outcome.NO_SLOTS, said.words, covered=(CoveredWindow(),))


def _astray(page: Page, slots: Sequence[Slot]) -> bool:
    return has_unmatched_dates(page, slots, _ignored(page))


def _ignored(page: Page) -> list[HtmlElement]:
    ignored = page.visit.parameters.ignore
    parts = find_matches(page.root, ignored) if ignored else []
    return [each for each in parts if not isinstance(each, str)]
