"""EZBooking, the prefectures' older booking pages: `/booking/create/<form>/<step>` and its weekly calendar.

Step 4 is never posted, because its button takes the first free hour. Step 5 is never requested, because it takes an
hour. The calendar's own AJAX call lists the hours and changes nothing.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Annotated

from lxml import etree, html
from pydantic import BeforeValidator, StringConstraints

from configs.ground.strict_model import Strict
from crawler.parsing.absence import Statement, check_page, doubt_of
from crawler.parsing.date_windows import ask_weeks, week
from crawler.parsing.error_pages import Notice, find_notice, read_error_status
from crawler.parsing.html_text import HIDDEN, label, rendered_text
from crawler.parsing.url_patterns import match_address
from crawler.parsing.week_table import Linked, find_linked_hours, read_open_desk, read_week
from crawler.platform_base import Platform
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

MOST = 100  # a page has about a dozen; each label is searched in the whole page
_RADIOS = (
    "/descendant::input[@name=$field][translate(@type, 'ADIOR', 'adior')='radio'"
    " or contains(concat(' ', @class, ' '), ' radio ')]"
)


def choose(
    page: Page, field: str, ask: PageRequest, where: str, wanted: Collection[str] = ()
) -> Reading | None:
    """Request each place that a page offers, rotated each visit; None if it offers none.

    `field`: the name of the radio buttons; their ids are that name and the place's key. `ask`: the request of a
    choice, without its place. `where`: the page's name in the reason. `wanted`: the desk's own keys, empty for all.
    """
    offered = dict.fromkeys(
        filter(None, (_key(each, field) for each in page.root.xpath(_RADIOS, field=field)))
    )
    if not offered:
        return None
    if len(offered) > MOST:
        return Reading(Outcome.UNREADABLE, f"offers {len(offered)} {field}s, which no form does")
    if page.ask.step == ask.step:
        return Reading(Outcome.UNREADABLE, f"a {field} was chosen and the choice came back")
    keys = [key for key in offered if key in (wanted or offered)]
    if not keys:
        return Reading(Outcome.UNREADABLE, f"offers {field}s {', '.join(offered)}: none is this desk's")
    turn = page.visit.turn // len(keys)  # a visit may end before all are requested
    asks = [
        replace(ask, form={field: key, **ask.form}, place=_place_of(page, field, key), rank=rank, turn=turn)
        for rank, key in enumerate(page.visit.in_turn(keys))
    ]
    return Reading(reason=f"{where}: {len(asks)} of {len(offered)} {field}s", asks=tuple(asks))


def _key(radio: html.HtmlElement, field: str) -> str:
    return str(radio.get("value") or radio.get("id", "").removeprefix(field))


def _place_of(page: Page, field: str, key: str) -> Place:
    return Place(key, label(page.root, f"{field}{key}"))


_BOOKING = "/booking/create/"
_ASSIGN = "/ezjscore/call/bookingserver::planning::assign::"
_ADDRESS = re.compile(rf"(?P<root>https?://[^/]+.*?)(?:{_BOOKING}|{_ASSIGN})(?P<form>\d+)(?![\w-])")

_CALL = re.compile(rf"{_ASSIGN}\d+::(?P<planning>\d+)::(?P<ahead>\d+)")
_TAKES = re.compile(rf"{_BOOKING}\d+/(?:[5-9]|\d\d)")
_BUTTON = re.compile(rf"{_BOOKING}\d+/4(?!\d)")
_SAFE_STEPS = frozenset({0, 1, 3})
_CONDITIONS = {"condition": "on", "nextButton": "Effectuer une demande de rendez-vous"}
_NEXT = {"nextButton": "Etape suivante"}

_SHOWN = f"[not({HIDDEN})]"
_FORM = etree.XPath(f"/descendant::form[@id='FormBookingCreate']{_SHOWN}")
_ERRORS = etree.XPath(f"/descendant::ul[contains(concat(' ', @class, ' '), ' error ')]/li{_SHOWN}")
_LEADS_ON = "/descendant::input[@name='nextButton']"
_FULL = re.compile(r"(?i)il n'existe plus de plage horaire libre|il n'y a pas (?:de )?calendrier disponible")
_ONWARD = f"{_LEADS_ON}[@value='Etape suivante' or @value='Étape suivante']"
_STEPS = {
    3: ("/descendant::img[contains(@src, 'etape_3r.png')]", _ONWARD),
    4: ("/descendant::img[contains(@src, 'etape_4r.png')]", _LEADS_ON),
}
_STEP_HINTS = (b"etape_3r.png", b"etape_4r.png")  # pages without them skip the search of either mark
_WEEK = "/descendant::th[@colspan='7']"
_RETIRED = "Ce lien a été désactivé définitivement"
_BUSY = r"(?i)service (?:est )?surchargé|50[234] (?:bad gateway|service (?:temporarily )?unavailable|gateway time-?out)"
_TROUBLES = (
    Notice(Outcome.OVERLOADED, re.compile(_BUSY), "//h1"),
    Notice(Outcome.OVERLOADED, re.compile("The server returned an invalid or incomplete response"), "/*"),
    Notice(Outcome.CLOSED, re.compile(_RETIRED), "/*", said=_RETIRED),
)
_HINTS = (b"surcharg", b"gateway", b"unavailable", b"incomplete response", b"sactiv")  # words of those texts


class EzBookingParameters(Strict):
    """`plannings`: the desk's, of those in step 1 (none: all of the form).

    If a form offers no choice and its pages do not name their calendar, it is the calendar to request.
    """

    plannings: tuple[Annotated[str, BeforeValidator(str), StringConstraints(pattern=r"^\d+$")], ...] = ()


class EzBooking(Platform):
    """EZBooking, the prefectures' older booking pages."""

    SYSTEM = "prefenligne"
    BUDGET = 6
    COST = 3  # the conditions, their acceptance, the redirect to the no-slot page
    OPEN_COST = (
        6  # the same way to the calendar, then a counter's or a week's answer each, to the end of the budget
    )
    EXAMPLE = "https://www.prefecture.invalid/booking/create/1"
    ADDRESS = _ADDRESS
    MARKS = ("//form[@id='FormBookingCreate']", "//*[@id='inner_Booking']")
    Parameters = EzBookingParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the conditions, which also opens the session."""
        return PageRequest(_desk(visit).step(0), "conditions")

    def read_page(self, page: Page) -> Reading:
        """Read any page of this platform."""
        if page.status in (502, 503, 504):
            return Reading(Outcome.OVERLOADED, f"HTTP {page.status}")
        if error := read_error_status(page):
            return _trouble(page) or error
        rules = (_full, _open, _choice, _conditions, _trouble, _calendar)
        return next((reading for rule in rules if (reading := rule(page))), Reading())

    def is_forbidden(self, url: str, method: str) -> bool:
        """Forbid requests that take an hour: step 5 and later, and step 4's button (a 307 could press it)."""
        return _TAKES.search(url) is not None or (method == "POST" and _BUTTON.search(url) is not None)


@dataclass(frozen=True)
class _Desk:
    """One form of one site. All addresses are built here, and none that takes an hour."""

    root: str
    form: str

    @property
    def url(self) -> str:
        return f"{self.root}{_BOOKING}{self.form}"

    @property
    def hours(self) -> Linked:
        return Linked(f"{_BOOKING}{self.form}/5/".lstrip("/"), "libre", _WEEK, self.url)

    def step(self, number: int) -> str:
        if number not in _SAFE_STEPS:
            raise ValueError(f"EZBooking step {number} is not ours: only {sorted(_SAFE_STEPS)} take no slot")
        return f"{self.url}/{number}"

    def week(self, planning: str, ahead: int) -> str:
        return f"{self.root}{_ASSIGN}{self.form}::{planning}::{ahead}"


def _desk(visit: VisitContext) -> _Desk:
    found = match_address(visit.url, _ADDRESS, "EZBooking", "booking/create/<form>")
    return _Desk(found["root"], found["form"])


def _place(page: Page) -> Place:
    """Return the requested planning; a form without a choice is one place, with the form's id as key."""
    return page.ask.place if page.ask.place != ANYWHERE else Place(_desk(page.visit).form)


def _trouble(page: Page) -> Reading | None:
    return find_notice(page, _TROUBLES, _HINTS)


def _full(page: Page) -> Reading | None:
    """Find the platform's own sentence at the start of the form's or an error's text; elsewhere it may be a quote."""
    form = [text for text in map(rendered_text, _FORM(page.root)) if _FULL.match(text)]
    errors = [text for text in map(rendered_text, _ERRORS(page.root)) if _FULL.match(text)]
    if not (form or errors):
        return None
    if _shows_open_desk(page) or f"{_desk(page.visit).form}/5/" in page.text:
        return Reading(Outcome.UNREADABLE, "says both that nothing is free and that the desk is open")
    if trouble := _trouble(page):
        return trouble
    if page.root.xpath(_LEADS_ON) and not errors:
        return None
    said = (form + errors)[0]
    words = next(found[0] for found in [_FULL.match(said)] if found)
    if doubt := doubt_of(said, words) or check_page(page, Statement(words)).doubt:
        return Reading(Outcome.UNREADABLE, f"says {words!r} {doubt}")
    key = _place(page).key
    whole = CoveredWindow(None if key == _desk(page.visit).form else key)
    return Reading(Outcome.NO_SLOTS, said[:200], covered=(whole,))


def _shows_open_desk(page: Page) -> bool:
    return bool(page.root.xpath(_WEEK)) or any(_is_step(page, *each) for each in _STEPS.values())


def _open(page: Page) -> Reading | None:
    """Read steps 3 and 4, which only an open desk shows: `open` is the fallback until a calendar is covered."""
    steps = _STEPS.items()
    step = next((n for n, (mark, button) in steps if _is_step(page, f"{mark}{_SHOWN}", button)), None)
    if step is None:
        return None
    desk, place = _desk(page.visit), _place(page)
    named = set(re.findall(rf"planning::assign::{desk.form}::(\d+)", page.text))
    plannings = {place.key} if place.key != desk.form else named or set(page.visit.parameters.plannings)
    asks = _weeks(page, plannings.pop()) if len(plannings) == 1 else []
    if not asks and step == 3 and page.ask.step != "describe":  # noqa: PLR2004 -- step 4 names the calendar
        rank, turn = page.ask.rank, page.ask.turn
        asks = [PageRequest(desk.step(3), "describe", "POST", _NEXT, place=place, rank=rank, turn=turn)]
    linked = find_linked_hours(page, desk.hours, place)[0]
    return read_open_desk(linked, asks, Slot(place, None, desk.url), f"step {step}: the desk is open")


def _is_step(page: Page, mark: str, button: str) -> bool:
    named = any(hint in page.lowered for hint in _STEP_HINTS)
    return bool(named and page.root.xpath(mark) and page.root.xpath(button))


def _weeks(page: Page, planning: str) -> list[PageRequest]:
    """Return the requests for the weeks: the first before the next planning is chosen, the others after all."""
    return ask_weeks(page, _place(page), lambda ahead: _desk(page.visit).week(planning, ahead), MOST)


def _choice(page: Page) -> Reading | None:
    ask = PageRequest(_desk(page.visit).step(1), "planning", "POST", _NEXT)
    return choose(page, "planning", ask, "step 1", page.visit.parameters.plannings)


def _conditions(page: Page) -> Reading | None:
    if not page.root.xpath("/descendant::input[@id='condition']"):
        return None
    if page.ask.step == "accept":
        return Reading(Outcome.UNREADABLE, "the conditions were accepted and came back: no session was kept")
    accept = PageRequest(_desk(page.visit).step(0), "accept", "POST", _CONDITIONS)
    return Reading(reason="step 0: the conditions", asks=(accept,))


def _calendar(page: Page) -> Reading | None:
    place, call = _place(page), _CALL.search(page.url)
    asked = page.ask.window or (week(page.visit, place, int(call["ahead"])) if call else None)
    return read_week(
        page, _desk(page.visit).hours, place, asked, lambda: _weeks(page, call["planning"]) if call else []
    )
