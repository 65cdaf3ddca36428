"""Rules of a desk file for a page without a reader of its own: how a free slot looks, and how their absence looks.

Each rule is evaluated here by itself. The platform decides what the page proves.
"""

from lxml.html import HtmlElement
from pydantic import model_validator

from configs.ground.strict_model import Strict
from configs.world.desk import Text
from crawler.parsing.absence import Statement, find_statement, read_mark
from crawler.parsing.css_selectors import Selector, find_matches, find_visible, one_text
from crawler.parsing.date_parsing import moment_of
from crawler.parsing.forms import address_of
from crawler.reading import ANYWHERE, Page, Place, Slot

_LONGEST = 200  # characters of a name, and of a quote of the page


class SlotRules(Strict):
    """How a free slot looks. Its date, time, place and link are searched within its element."""

    available: Selector
    date: Selector | None = None
    time: Selector | None = None
    place: Selector | None = None
    link: Selector | None = None

    @model_validator(mode="after")
    def _time_of_a_date(self) -> "SlotRules":
        if self.time and not self.date:
            raise ValueError("time is of no use without date")
        return self

    def free(self, page: Page) -> list[HtmlElement]:
        """Return the visible elements of free slots."""
        return find_visible(page.root, self.available)

    def hides(self, page: Page) -> bool:
        """Tell whether the page contains a free slot, also a hidden one (in a closed tab, for example).

        A slot without its date is a template that a script copies.
        """
        anywhere = (each for each in find_matches(page.root, self.available) if not isinstance(each, str))
        return any(self.slot(page, each) for each in anywhere)

    def slot(self, page: Page, element: HtmlElement) -> Slot | None:
        """Return the slot of an element; None if a part of it is unreadable.

        Without a rule for the date it is `open`. Without a link its address is the desk's.
        """
        place, moment = ANYWHERE, None
        if self.place:
            name = one_text(element, self.place)
            if name is None:
                return None
            place = Place(name[:_LONGEST], name[:_LONGEST])
        if self.date:
            day = one_text(element, self.date)
            hour = one_text(element, self.time) or "" if self.time else None
            moment = moment_of(day or "", hour, page.visit)
            if moment is None:
                return None
        links = find_matches(element, self.link) if self.link else [element]
        return Slot(place, moment, (address_of(page, links[0]) if links else None) or page.visit.url)


class AbsenceRules(Strict):
    """How a page says that nothing is free: by an element, by words, or by either. One rule is required."""

    no_slot: Selector | None = None
    no_slot_text: Text | None = None

    @model_validator(mode="after")
    def _either(self) -> "AbsenceRules":
        if not (self.no_slot or self.no_slot_text):
            raise ValueError("name no_slot_text or no_slot: without a rule for it, no slots cannot be proven")
        return self

    def none(self, page: Page) -> Statement | None:
        """Return the page's visible statement that nothing is free; None without one."""
        if self.no_slot and (marks := find_visible(page.root, self.no_slot)):
            return read_mark(marks[0], self.no_slot)
        return find_statement(page, self.no_slot_text) if self.no_slot_text else None
