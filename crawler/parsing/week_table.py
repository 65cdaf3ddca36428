"""Tables of days whose free hours are links: their hours, and whether a table is complete.

In a complete table an hour without a link is not free.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from lxml.html import HtmlElement

from crawler.parsing.date_parsing import moment_of
from crawler.parsing.date_windows import consecutive_days, covered_by_answer, linked_hours, within
from crawler.parsing.html_text import contains_phrase, names_date, period, rendered_text
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Place, Reading, Slot


@dataclass(frozen=True)
class Linked:
    """The pattern by which a site links the free hours of a desk."""

    address: str  # the part of an hour's address before its unix seconds
    word: str  # the site's word for a free hour
    heading: str  # XPath of the only heading that names a table's week
    url: str  # the address of a slot: its own link would take it


def find_linked_hours(page: Page, how: Linked, place: Place) -> tuple[tuple[Slot, ...], list[str]]:
    """Return the free hours that a page links, as slots of this place, and the links with an unreadable hour."""
    found, odd = linked_hours(page, re.compile(rf"{re.escape(how.address)}(?P<unix>[^/?#]*)"))
    return tuple(Slot(place, hour, how.url) for hour in found), odd


def read_open_desk(slots: tuple[Slot, ...], asks: list[PageRequest], unknown: Slot, reason: str) -> Reading:
    """Return what the page of an open desk proves: the hours that it links, and the requests for its calendars.

    `unknown`: the fallback, which stands until a calendar is covered; without a calendar it is the slot.
    """
    if not asks:
        return Reading(Outcome.SLOTS, f"{reason}, and no calendar can be asked", slots or (unknown,))
    outcome, fallback = (Outcome.SLOTS, ()) if slots else (None, (unknown,))
    return Reading(outcome, reason, slots=slots, asks=tuple(asks), fallback=fallback)


def read_week(
    page: Page, how: Linked, place: Place, asked: CoveredWindow | None, weeks: Callable[[], list[PageRequest]]
) -> Reading | None:
    """Read one week; None for a page that is no complete week and links no hour.

    An empty week covers itself and leads on to the next of the place's `weeks`. The last one, or a single one, is
    `no_slots` for its days; VisitState adds the weeks up. `asked`: the requested days, if known.
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
    """Tell whether a table is complete, and links exactly the hours of its days that occur anywhere in the page."""
    anywhere = set(re.findall(rf"{re.escape(how.address)}(\d{{9,11}})(?!\d)", page.text))
    linked = len(anywhere) == len(slots) and within(window, slots, page.visit.zone)
    return linked and is_whole_table(page, how.word, how.address)


def _ends_behind(week: CoveredWindow, asked: CoveredWindow) -> bool:
    return bool(week.last and asked.last and week.last > asked.last)


_FREE = "//text()[normalize-space()=$word][not(ancestor::a[contains(@href, $hours)])]"
_MOST_DAYS = 62  # of one calendar: each heading's column is searched
# The word for a free hour in a link, or in a row of more than four cells.
_ASTRAY = "boolean(ancestor-or-self::a or ancestor::tr[count(td) > 4])"


def is_whole_table(page: Page, word: str, hours: str) -> bool:
    """Tell whether a page's table is complete: no broken tag, and each free hour in it is a link.

    `word` is the site's word for a free hour. Apart from links to hours, whose addresses contain `hours`, it occurs
    once, in the table's legend.
    """
    if b"</table" not in page.lowered or page.body.rfind(b"<") > page.body.rfind(b">"):
        return False
    free = page.root.xpath(_FREE, word=word, hours=hours)
    legends = [each for each in free if not each.getparent().xpath(_ASTRAY)]
    return len(free) == len(legends) == 1


def whole_days(
    page: Page, headings: Sequence[HtmlElement], hours: str, nothing: Sequence[str], icon: str = ""
) -> tuple[date, date] | None:
    """Return the first and last day of a calendar with one column a day; None if it may leave an hour out.

    A column is the parent of its heading. It has hours (an XPath below the column) or says that it has none: by one
    of these sentences, or by an `icon` (an XPath) alone. The days are consecutive, and the page is complete.
    """
    if len(headings) > _MOST_DAYS:
        return None
    visit, columns = page.visit, [next(each.iterancestors()) for each in headings]
    days = consecutive_days([moment_of(rendered_text(each), None, visit) for each in headings])
    if not days or b"</html" not in page.lowered:
        return None
    told = all(
        bool(column.xpath(hours)) != _says_nothing(column, heading, nothing, icon)
        for column, heading in zip(columns, headings, strict=True)
    )
    return days if told else None


def _says_nothing(column: HtmlElement, heading: HtmlElement, nothing: Sequence[str], icon: str) -> bool:
    text = rendered_text(column)
    if any(contains_phrase(text, sentence) for sentence in nothing):
        return True
    return bool(icon and column.xpath(icon)) and text == rendered_text(heading)
