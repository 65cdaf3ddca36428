"""Any other page: a desk's YAML says by CSS or XPath how free slots look there, and how their absence looks."""

from collections.abc import Sequence
from typing import ClassVar

from lxml.html import HtmlElement
from pydantic import model_validator

from configs.ground.strict_model import Strict
from configs.world.desk import Text
from crawler.parsing.absence import Statement, check_page, find_statement, read_mark
from crawler.parsing.css_selectors import Selector, find_matches, find_visible, one_text
from crawler.parsing.date_parsing import has_unmatched_dates, moment_of
from crawler.parsing.date_windows import day_of
from crawler.parsing.error_pages import read_error_status
from crawler.parsing.forms import address_of
from crawler.platform_base import Platform
from crawler.platforms.selectors.navigation import (
    NavigationPath,
    NavigationProgress,
    entry,
    next_page,
    onward,
    progress,
)
from crawler.reading import (
    ANYWHERE,
    CoveredWindow,
    Outcome,
    Page,
    PageRequest,
    Place,
    Reading,
    Slot,
    VisitContext,
)

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
