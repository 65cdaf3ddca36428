"""What a desk file says of a page that nobody wrote a reader for: how a free slot looks there, and how their absence.

Both are read here, each for itself. Whether a page proves what they say is its reader's to judge.
"""

from lxml.html import HtmlElement
from pydantic import model_validator

from configs.desk import Text
from configs.strict_model import Strict
from crawler.parsing.css_selectors import Selector, find_matches, find_visible, one_text
from crawler.parsing.date_parsing import moment_of
from crawler.parsing.forms import address_of
from crawler.parsing.html_text import contains_phrase, rendered_text, visible_text
from crawler.reading import ANYWHERE, Page, Place, Slot

_LONGEST = 200  # characters of a name, and of the page's own words


class SlotRules(Strict):
    """How a free slot looks. What belongs to it (date, time, place, link) is looked for from its element on."""

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
        """Return the elements of free slots that a person sees."""
        return find_visible(page.root, self.available)

    def hides(self, page: Page) -> bool:
        """Tell whether a free slot stands in the page, be it where the page hides it: a tab that is not open, say.

        One without its date is none: it is a row that a script copies.
        """
        anywhere = (each for each in find_matches(page.root, self.available) if not isinstance(each, str))
        return any(self.slot(page, each) for each in anywhere)

    def slot(self, page: Page, element: HtmlElement) -> Slot | None:
        """Return the slot that an element shows; None where something of it cannot be read.

        Without a rule for its date it is `open`. Without a link of its own it leads to the desk's address.
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
            moment = moment_of(day or "", hour, page.visit.today, page.visit.zone)
            if moment is None:
                return None
        links = find_matches(element, self.link) if self.link else [element]
        return Slot(place, moment, (address_of(page, links[0]) if links else None) or page.visit.url)


class AbsenceRules(Strict):
    """How a page says that nothing is free: by a mark, by words, or by either. One of them is needed."""

    no_slot: Selector | None = None
    no_slot_text: Text | None = None

    @model_validator(mode="after")
    def _either(self) -> "AbsenceRules":
        if not (self.no_slot or self.no_slot_text):
            raise ValueError("name no_slot_text or no_slot: without a rule for it, no slots cannot be proven")
        return self

    def none(self, page: Page) -> str:
        """Return the page's own word for no slots, empty where a person does not see it said."""
        if self.no_slot and (marks := find_visible(page.root, self.no_slot)):
            return visible_text(marks[0])[:_LONGEST] or self.no_slot
        words = self.no_slot_text
        return words if words and contains_phrase(rendered_text(page.root), words) else ""
