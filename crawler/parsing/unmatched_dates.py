"""Dates on a page that match no parsed slot. They may be slots that no rule found, so the page proves no absence."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import islice

from lxml.html import HtmlElement

from crawler.parsing.date_parsing import moments_in
from crawler.parsing.date_windows import day_of
from crawler.parsing.html_text import raw_text
from crawler.reading import Page, Slot

_MOST = 10_000  # moments of a page


def has_unmatched_dates(page: Page, slots: Sequence[Slot], aside: Sequence[HtmlElement] = ()) -> bool:
    """Tell whether the page names a future moment within the horizon that is none of these slots.

    Moments in the parts `aside` do not count. A day without an hour counts only if the slots are days, too. A page
    with more than 10,000 moments counts as one that does.
    """
    visit, timed = page.visit, all(slot.starts_at for slot in slots)
    named = list(islice(_find_moments(page, [page.root]), _MOST + 1))
    if len(named) > _MOST:
        return True
    parts = set(aside)
    outer = [each for each in aside if not any(around in parts for around in each.iterancestors())]
    left = (Counter(named) - Counter(_find_moments(page, outer))).keys() - {slot.moment for slot in slots}
    return any(
        visit.today < day_of(each, visit.zone) <= visit.last_day
        for each in left
        if isinstance(each, datetime) or not timed
    )


def _find_moments(page: Page, parts: Sequence[HtmlElement]) -> Iterator[date]:
    visit = page.visit
    return (
        moment
        for part in parts
        for moment in moments_in(page.raw if part is page.root else raw_text(part), visit)
    )
