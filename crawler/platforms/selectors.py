"""Any other page: a desk's YAML says by CSS or XPath how free slots look there, and how their absence looks.

The way there is a banner, steps, then page after page. By HTTP each step is a request of its own; in a browser all are
actions on one page. The `step` of a request holds the progress of the visit.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, NamedTuple

from lxml.html import HtmlElement
from pydantic import Field, model_validator

from configs.ground.strict_model import Strict
from configs.world.desk import Text, Whole
from crawler.parsing.absence import Statement, check_page, find_statement, find_unread_alert, read_mark
from crawler.parsing.css_selectors import Match, Selector, find_matches, find_visible, one_text
from crawler.parsing.dates import day_of, has_unmatched_dates, moment_of
from crawler.parsing.error_pages import read_no_document
from crawler.parsing.forms import address_of, build_request
from crawler.parsing.normal_form import collapse_whitespace
from crawler.platforms import Platform
from crawler.reading import (
    ANYWHERE,
    BrowserAction,
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
_MOST_SLOTS = 1000


class NavigationStep(Strict):
    """One step before the slots: a link, form, button or drop-down, with its fields and the option to choose."""

    at: Selector
    fields: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=dict)
    option: Text | None = None

    @property
    def action(self) -> BrowserAction:
        """Return the step as a person's action."""
        return BrowserAction(self.at, self.fields, self.option)


class NavigationProgress(NamedTuple):
    """Progress of a visit: steps done, page of slots, banner done (0 or 1), doubts left by a page (0 or 1)."""

    steps: int = 0
    page: int = 1
    banner: int = 0
    doubts: int = 0

    def __str__(self) -> str:
        return " ".join(map(str, self))


class SelectorsParameters(Strict):
    """The rules of one site: its free slots, their absence, parts to ignore, and the way there, from page to page.

    A slot's date, time, place and link are searched within its element. Absence is told by an element, by words, or by
    either: one rule is required.
    """

    available: Selector
    date: Selector | None = None
    time: Selector | None = None
    place: Selector | None = None
    link: Selector | None = None
    no_slot: Selector | None = None
    no_slot_text: Text | None = None
    banner: Selector | None = None
    steps: Annotated[tuple[NavigationStep, ...], Field(max_length=6)] = ()
    next_page: Selector | None = None
    pages: Annotated[Whole, Field(ge=1, le=20)] = 5
    ignore: Selector | None = None  # parts without slots, whose dates are none (news, the next release)
    captcha: Selector | None = None
    wait: Selector | None = None  # in a browser: shows once the page is ready; default: a slot or the absence

    @model_validator(mode="after")
    def _check_whole(self) -> "SelectorsParameters":
        if self.time and not self.date:
            raise ValueError("time is of no use without date")
        if not (self.no_slot or self.no_slot_text):
            raise ValueError("name no_slot_text or no_slot: without a rule for it, no slots cannot be proven")
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
            name = collapse_whitespace(name)[:_LONGEST]
            place = Place(name, name)
        if self.date:
            day = one_text(element, self.date)
            hour = one_text(element, self.time) or "" if self.time else None
            moment = moment_of(day or "", hour, page.visit)
            if moment is None:
                return None
        links = find_matches(element, self.link) if self.link else [element]
        return Slot(place, moment, (address_of(page, links[0]) if links else None) or page.visit.url)

    def none(self, page: Page) -> Statement | None:
        """Return the page's visible statement that nothing is free; None without one."""
        if self.no_slot and (marks := find_visible(page.root, self.no_slot)):
            return read_mark(marks[0], self.no_slot)
        return find_statement(page, self.no_slot_text) if self.no_slot_text else None

    @property
    def acts(self) -> tuple[BrowserAction, ...]:
        """Return all actions before the slots."""
        banner = (BrowserAction(self.banner, needed=False),) if self.banner else ()
        return banner + tuple(step.action for step in self.steps)

    @property
    def marks(self) -> tuple[str, ...]:
        """Return what shows that the page is ready (`PageRequest.awaits`)."""
        text = self.no_slot_text and f"text={self.no_slot_text}"
        either = (self.available, self.no_slot, text, self.captcha)
        return (self.wait,) if self.wait else tuple(filter(None, either))


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
        """Return the request for the desk's page; in a browser with all actions before the slots."""
        wanted: SelectorsParameters = visit.parameters
        if not visit.browser:
            return PageRequest(visit.url, str(NavigationProgress()))
        done = NavigationProgress(steps=len(wanted.steps), banner=1)
        return PageRequest(visit.url, str(done), acts=wanted.acts, awaits=wanted.marks)

    def read_page(self, page: Page) -> Reading:
        """Take the next step before the slots, or read the slots."""
        wanted: SelectorsParameters = page.visit.parameters
        if error := read_no_document(page, entry=_progress(page) == NavigationProgress()):
            return error
        if wanted.captcha and find_visible(page.root, wanted.captcha):
            return Reading(Outcome.CAPTCHA, f"its captcha's mark is there: {wanted.captcha}")
        return _take_step(page, wanted) or _slots(page, wanted)


def _progress(page: Page) -> NavigationProgress:
    """Return the progress of the visit when it requested this page."""
    return NavigationProgress(*map(int, page.ask.step.split()))


def _take_step(page: Page, wanted: SelectorsParameters) -> Reading | None:
    """Take the next step before the slots; None if the page shows them.

    A page without the next step's element may say already that nothing is free.
    """
    at = _progress(page)
    if page.skipped_actions:  # in a browser, which something kept from the slots
        nothing = page.failed_action or f"nothing is there to do: {page.ask.acts[-page.skipped_actions].at}"
        said = None if page.failed_action or at.page > 1 else _early(page)
        return said or Reading(Outcome.UNREADABLE, nothing)
    if wanted.banner and not at.banner and (banner := find_matches(page.root, wanted.banner)):
        return _do_step(page, banner[0], BrowserAction(wanted.banner), at._replace(banner=1))
    if at.steps == len(wanted.steps):
        return None
    act, done = wanted.steps[at.steps].action, at._replace(steps=at.steps + 1)
    if here := find_matches(page.root, act.at):
        return _do_step(page, here[0], act, done)
    return _early(page) or Reading(Outcome.UNREADABLE, f"step {done.steps}: nothing is there to do: {act.at}")


def _do_step(page: Page, match: Match, act: BrowserAction, then: NavigationProgress) -> Reading:
    ask = build_request(page, match, act, str(then))
    if ask is None:
        what = f"cannot be done, or leads to another site: {act.at} {act.option or ''}"
        return Reading(Outcome.UNREADABLE, what.rstrip())
    return Reading(reason=f"{act.at}: {ask.method} {ask.url}", asks=(ask,))


def _next_page(page: Page, wanted: SelectorsParameters, *, doubts: bool) -> tuple[PageRequest, ...]:
    """Return the request for the next page of slots, if there is one and the desk's limit allows it.

    `doubts`: this page or one before it may have left slots out, which the last page must know.
    """
    at, onward, browser = _progress(page), wanted.next_page, page.visit.browser
    then = at._replace(page=at.page + 1, doubts=int(doubts))
    if not onward or then.page > wanted.pages or not (seen := find_visible(page.root, onward)):
        return ()
    links = [each for each in find_matches(page.root, onward) if isinstance(each, str) or each in seen]
    url = address_of(page, links[0])
    ask = PageRequest(page.visit.url, str(then), rank=then.page, awaits=wanted.marks if browser else ())
    if url and url != page.url:
        return (replace(ask, url=url),)
    if not browser or isinstance(links[0], str):
        return ()
    return (replace(ask, acts=(*wanted.acts, *[BrowserAction(onward)] * (then.page - 1))),)


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
    zone, today = page.visit.zone, page.visit.today
    ahead = tuple(slot for slot in read if slot.moment is None or day_of(slot.moment, zone) >= today)
    if not ahead:
        why = "lies ahead" if read else "can be read"
        return Reading(Outcome.UNREADABLE, f"shows {len(free)} free slots, none of which {why}")
    timeless = any(slot.moment is None for slot in read)
    doubts = bool(_progress(page).doubts) or len(read) < len(free) or (not timeless and _astray(page, read))
    following = _next_page(page, wanted, doubts=doubts)
    covered = () if following or doubts or timeless or said else (CoveredWindow(),)
    return Reading(Outcome.SLOTS, f"{len(read)} of {len(free)} free slots read", ahead, covered, following)


def _none(page: Page, wanted: SelectorsParameters, said: Statement) -> Reading:
    """Read a page of no free slots: more pages may follow."""
    doubts = bool(_progress(page).doubts)
    if wanted.next_page and (following := _next_page(page, wanted, doubts=doubts or _astray(page, ()))):
        return Reading(None, "0 of 0 free slots read", asks=following)
    return _nothing(page, said, doubts=doubts)


def _nothing(page: Page, said: Statement, *, doubts: bool = False) -> Reading:
    words = f"says {said.words!r}"
    if doubts or _astray(page, ()):
        return Reading(Outcome.UNREADABLE, f"{words} and names a moment: a slot, or one to `ignore`")
    if page.visit.parameters.hides(page):
        return Reading(Outcome.UNREADABLE, f"{words} and hides a free slot")
    said = check_page(page, said, _ignored(page))
    if said.doubt:
        return Reading(Outcome.UNREADABLE, f"{words} {said.doubt}")
    if unread := find_unread_alert(page, said.words):
        return Reading(Outcome.UNREADABLE, f"{words} beside what nobody has read: {unread!r}")
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
