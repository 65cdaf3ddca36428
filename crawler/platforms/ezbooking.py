"""EZBooking, the prefectures' older booking pages: `/booking/create/<form>/<step>` and its weekly calendar.

Step 4 is never posted (its button takes the first free hour) and step 5 never requested (it takes an hour): hours
are listed by the calendar's own AJAX call, which changes nothing.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

from configs.strict import Strict
from crawler.parsing.calendars import answered, ask_weeks, linked_hours, week, within
from crawler.parsing.errors import error_of
from crawler.parsing.markup import dated, label, period, visible
from crawler.parsing.shapes import shaped
from crawler.parsing.tables import whole_table
from crawler.reading import ANYWHERE, Ask, Covered, Outcome, Page, Place, Reading, Slot, Visit

SYSTEM = "prefenligne"
BUDGET = 6
COST = 3  # the conditions, their acceptance, the redirect to the no-slot page
EXAMPLE = "https://www.prefecture.invalid/booking/create/1"

_BOOKING = "/booking/create/"
_ASSIGN = "/ezjscore/call/bookingserver::planning::assign::"
ADDRESS = re.compile(rf"(?P<root>https?://[^/]+.*?)(?:{_BOOKING}|{_ASSIGN})(?P<form>\d+)(?![\w-])")
MARKS = ("//form[@id='FormBookingCreate']", "//*[@id='inner_Booking']")

_CALL = re.compile(rf"{_ASSIGN}\d+::(?P<planning>\d+)::(?P<ahead>\d+)")
_TAKES = re.compile(rf"{_BOOKING}\d+/(?:[5-9]|\d\d)")
_BUTTON = re.compile(rf"{_BOOKING}\d+/4(?!\d)")
_SAFE_STEPS = frozenset({0, 1, 3})
_MOST_PLANNINGS = 100  # forms seen have up to a dozen; each label is looked for in the whole page
_CONDITIONS = {"condition": "on", "nextButton": "Effectuer une demande de rendez-vous"}
_NEXT = {"nextButton": "Etape suivante"}

_MESSAGES = "//form[@id='FormBookingCreate'] | //ul[contains(concat(' ', @class, ' '), ' error ')]/li"
_FULL = re.compile(r"(?i)il n'existe plus de plage horaire libre|il n'y a pas (?:de )?calendrier disponible")
_RETIRED = "Ce lien a été désactivé définitivement"
_BUSY = re.compile(r"(?i)service surchargé|50[234] (?:bad gateway|service unavailable|gateway time-?out)")
_TROUBLES = ("surcharg", "gateway", "unavailable", "incomplete response", "sactiv")  # what those texts hold
_BROKEN = "The server returned an invalid or incomplete response"
_STEP_3 = "//img[contains(@src, 'etape_3r.png')][//input[@name='nextButton'][@value='Etape suivante']]"
_STEP_4 = "//img[contains(@src, 'etape_4r.png')][//input[@name='nextButton']]"
_WEEK = "//th[@colspan='7']"


class Parameters(Strict):
    """`plannings`: those of step 1 that this desk is (none: all that the form offers).

    Where a form offers no choice and its pages do not name their calendar: the one to ask.
    """

    plannings: tuple[Annotated[str, BeforeValidator(str), StringConstraints(pattern=r"^\d+$")], ...] = ()


def forbidden(url: str, method: str) -> bool:
    """Tell whether this request takes an hour: step 5 and later, and step 4's button (a 307 could press it)."""
    return _TAKES.search(url) is not None or (method == "POST" and _BUTTON.search(url) is not None)


def first(visit: Visit) -> Ask:
    """Ask for the conditions, which also open the session."""
    return Ask(_desk(visit).step(0), "conditions")


def read(page: Page) -> Reading:
    """Read any page of this platform."""
    if page.status in (502, 503, 504):
        return Reading(Outcome.OVERLOADED, f"HTTP {page.status}")
    if error := error_of(page):
        return _trouble(page) or error
    rules = (_full, _open, _choice, _conditions, _trouble, _calendar)
    return next((reading for rule in rules if (reading := rule(page))), Reading())


@dataclass(frozen=True)
class _Desk:
    """One form of one site. Addresses are made here only, and only those that take nothing."""

    root: str
    form: str

    @property
    def url(self) -> str:
        return f"{self.root}{_BOOKING}{self.form}"

    def step(self, number: int) -> str:
        if number not in _SAFE_STEPS:
            raise ValueError(f"EZBooking step {number} is not ours: only {sorted(_SAFE_STEPS)} take no slot")
        return f"{self.url}/{number}"

    def week(self, planning: str, ahead: int) -> str:
        return f"{self.root}{_ASSIGN}{self.form}::{planning}::{ahead}"


def _desk(visit: Visit) -> _Desk:
    found = shaped(visit.url, ADDRESS, "EZBooking", "booking/create/<form>")
    return _Desk(found["root"], found["form"])


def _place(page: Page) -> Place:
    """Return the planning asked for; a form that offers no choice is one place, its form id the key."""
    return page.ask.place if page.ask.place != ANYWHERE else Place(_desk(page.visit).form)


def _addresses(page: Page) -> set[str]:
    """Return the free hours (unix seconds) whose address stands anywhere in the page, also where nobody sees it."""
    return set(re.findall(rf"{_BOOKING}{_desk(page.visit).form}/5/(\d{{9,11}})(?!\d)", page.text))


def _hours(page: Page) -> tuple[tuple[Slot, ...], list[str]]:
    """Return the free hours linked, and odd links. A slot leads to the form: an hour's own link takes it."""
    desk, place = _desk(page.visit), _place(page)
    hours, odd = linked_hours(page, re.compile(rf"{_BOOKING}{desk.form}/5/(?P<unix>[^/?#]*)"))
    return tuple(Slot(place, hour, desk.url) for hour in hours), odd


def _full(page: Page) -> Reading | None:
    """Find the platform's own sentence, as the form's text or as an error."""
    text = next((text for text in map(visible, page.root.xpath(_MESSAGES)) if _FULL.search(text)), None)
    if not text:
        return None
    if page.root.xpath(f"{_STEP_3} | {_STEP_4} | {_WEEK}") or f"{_desk(page.visit).form}/5/" in page.text:
        return Reading(Outcome.UNREADABLE, "says both that nothing is free and that the desk is open")
    if trouble := _trouble(page):
        return trouble
    key = _place(page).key
    whole = Covered(None if key == _desk(page.visit).form else key)
    return Reading(Outcome.NO_SLOTS, text[:200], covered=(whole,))


def _open(page: Page) -> Reading | None:
    """Read steps 3 and 4, where only an open desk leads: `open` stands until a calendar has answered in full."""
    step = next((n for n, marker in ((3, _STEP_3), (4, _STEP_4)) if page.root.xpath(marker)), None)
    if step is None:
        return None
    desk, place, hours = _desk(page.visit), _place(page), _hours(page)[0]
    fallback = () if hours else (Slot(place, None, desk.url),)
    asks = _calendars(page)
    if not asks and step == 3 and page.ask.step != "describe":  # noqa: PLR2004 -- step 4 names the calendar
        asks = [
            Ask(desk.step(3), "describe", "POST", _NEXT, place=place, rank=page.ask.rank, turn=page.ask.turn)
        ]
    outcome = Outcome.SLOTS if hours or not asks else None
    reason = f"step {step}: the desk is open"
    if asks:
        return Reading(outcome, reason, slots=hours, asks=tuple(asks), fallback=fallback)
    return Reading(outcome, f"{reason}, and no calendar can be asked", hours or fallback)


def _calendars(page: Page) -> list[Ask]:
    """Ask each week's calendar where the planning is known: chosen, named by the page, or by the desk's YAML."""
    desk, place = _desk(page.visit), _place(page)
    named = set(re.findall(rf"planning::assign::{desk.form}::(\d+)", page.text))
    plannings = {place.key} if place.key != desk.form else named or set(page.visit.parameters.plannings)
    return _weeks(page, plannings.pop()) if len(plannings) == 1 else []


def _weeks(page: Page, planning: str) -> list[Ask]:
    """Ask one week at once, before the next planning is chosen, and the others when all plannings were."""
    desk = _desk(page.visit)
    return ask_weeks(page, _place(page), lambda ahead: desk.week(planning, ahead), _MOST_PLANNINGS)


def _choice(page: Page) -> Reading | None:
    offered = dict.fromkeys(map(str, page.root.xpath("//input[@name='planning'][@type='radio']/@value")))
    if not offered:
        return None
    if len(offered) > _MOST_PLANNINGS:
        return Reading(Outcome.UNREADABLE, f"offers {len(offered)} plannings, which no form does")
    if page.ask.step == "planning":
        return Reading(Outcome.UNREADABLE, "a planning was chosen and the choice came back")
    keys = [key for key in offered if key in (page.visit.parameters.plannings or offered)]
    if not keys:
        return Reading(Outcome.UNREADABLE, f"offers plannings {', '.join(offered)}: none is this desk's")
    url = _desk(page.visit).step(1)
    turn = page.visit.turn // len(keys)  # a visit may end before all were asked
    places = [Place(key, label(page.root, f"planning{key}")) for key in page.visit.in_turn(keys)]
    asks = tuple(
        Ask(url, "planning", "POST", {"planning": p.key, **_NEXT}, place=p, rank=rank, turn=turn)
        for rank, p in enumerate(places)
    )
    return Reading(reason=f"step 1: {len(asks)} of {len(offered)} plannings", asks=asks)


def _conditions(page: Page) -> Reading | None:
    if not page.root.xpath("//input[@id='condition']"):
        return None
    if page.ask.step == "accept":
        return Reading(Outcome.UNREADABLE, "the conditions were accepted and came back: no session was kept")
    accept = Ask(_desk(page.visit).step(0), "accept", "POST", _CONDITIONS)
    return Reading(reason="step 0: the conditions", asks=(accept,))


def _trouble(page: Page) -> Reading | None:
    lowered = page.text.lower()
    if not any(word in lowered for word in _TROUBLES):  # spares the pages that are well a long look
        return None
    text = visible(page.root)
    if _BROKEN in text or any(_BUSY.match(visible(heading)) for heading in page.root.xpath("//h1")):
        return Reading(Outcome.OVERLOADED, text[:200])
    return Reading(Outcome.CLOSED, _RETIRED) if _RETIRED in text else None


def _calendar(page: Page) -> Reading | None:
    """Read one week.

    An empty week covers itself and leads to the next; what all of them say together, the tally says.
    """
    (slots, odd), call = _hours(page), _CALL.search(page.url)
    ahead = int(call["ahead"]) if call else 0
    asked = page.ask.window or (week(page.visit, _place(page), ahead) if call else None)
    headings = [visible(heading) for heading in page.root.xpath(_WEEK)]
    window = answered(_place(page), asked, period(" ".join(headings)))
    whole = window and len(headings) == 1 and dated(headings[0]) and not odd and _whole(page, slots, window)
    covered = (window,) if window and whole else ()
    if slots:
        return Reading(Outcome.SLOTS, f"{len(slots)} free hours linked, {len(odd)} odd links", slots, covered)
    if not (window and covered):
        return None
    later = _weeks(page, call["planning"])[ahead // 7 + 1 :][:1] if call else []
    return Reading(reason=f"no free hour {window.first} to {window.last}", covered=covered, asks=tuple(later))


def _whole(page: Page, slots: tuple[Slot, ...], window: Covered) -> bool:
    """Tell whether a week's table is whole and shows its own days' hours, and all whose address the page holds."""
    linked = len(_addresses(page)) == len(slots) and within(window, slots, page.visit.zone)
    return linked and whole_table(page, "libre", f"{_BOOKING}{_desk(page.visit).form}/5/")
