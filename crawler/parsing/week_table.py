"""A week's table whose free hours are links: the hours of any page of such a site, and what a whole week proves."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from crawler.parsing.date_windows import covered_by_answer, linked_hours, within
from crawler.parsing.html_text import names_date, period, rendered_text
from crawler.parsing.tables import is_whole_table
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Place, Reading, Slot


@dataclass(frozen=True)
class Linked:
    """How a site links the free hours of a desk.

    `address`: what stands in the address of an hour before its unix seconds. `word`: how a free hour is called.
    `heading`: XPath of the one heading that names a table's week. `url`: where a slot leads: its own link takes it.
    """

    address: str
    word: str
    heading: str
    url: str


def find_linked_hours(page: Page, how: Linked, place: Place) -> tuple[tuple[Slot, ...], list[str]]:
    """Return the free hours that a page links, as slots of this place, and links whose hour cannot be read."""
    found, odd = linked_hours(page, re.compile(rf"{re.escape(how.address)}(?P<unix>[^/?#]*)"))
    return tuple(Slot(place, hour, how.url) for hour in found), odd


def read_open_desk(slots: tuple[Slot, ...], asks: list[PageRequest], unknown: Slot, reason: str) -> Reading:
    """Say what the page of an open desk proves, with the hours that it links and the calendars asked next.

    `unknown`: the slot that stands until a calendar has answered in full, or for good where none can be asked.
    """
    if not asks:
        return Reading(Outcome.SLOTS, f"{reason}, and no calendar can be asked", slots or (unknown,))
    outcome, fallback = (Outcome.SLOTS, ()) if slots else (None, (unknown,))
    return Reading(outcome, reason, slots=slots, asks=tuple(asks), fallback=fallback)


def read_week(
    page: Page, how: Linked, place: Place, asked: CoveredWindow | None, weeks: Callable[[], list[PageRequest]]
) -> Reading | None:
    """Read one week; None where the page is no whole week and links no hour.

    An empty week covers itself. While it leads to the next of the place's `weeks` it is not yet the answer; the last
    one, or one on its own, says `no_slots` of its days. What all of them say together, the tally says.
    `asked`: the days that were asked for, where they are known.
    """
    slots, odd = find_linked_hours(page, how, place)
    headings = [rendered_text(heading) for heading in page.root.xpath(how.heading)]
    window = covered_by_answer(place, asked, period(" ".join(headings)))
    named = len(headings) == 1 and names_date(headings[0])
    covered = (window,) if window and named and not odd and _is_whole(page, how, slots, window) else ()
    if slots:
        return Reading(Outcome.SLOTS, f"{len(slots)} free hours linked, {len(odd)} odd links", slots, covered)
    if not (window and covered):
        return None
    later = [each for each in weeks() if asked and each.window and _ends_behind(each.window, asked)]
    reason = f"no free hour {window.first} to {window.last}"
    return Reading(None if later else Outcome.NO_SLOTS, reason, covered=covered, asks=tuple(later[:1]))


def _is_whole(page: Page, how: Linked, slots: tuple[Slot, ...], window: CoveredWindow) -> bool:
    """Tell whether a table is whole and links its own days' hours, and all whose address stands in the page unseen."""
    anywhere = set(re.findall(rf"{re.escape(how.address)}(\d{{9,11}})(?!\d)", page.text))
    linked = len(anywhere) == len(slots) and within(window, slots, page.visit.zone)
    return linked and is_whole_table(page, how.word, how.address)


def _ends_behind(week: CoveredWindow, asked: CoveredWindow) -> bool:
    return bool(week.last and asked.last and week.last > asked.last)
