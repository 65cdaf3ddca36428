"""EZBooking, the prefectures' older booking pages: `/booking/create/<form>/<step>` and its weekly calendar.

Step 4 is never posted, because its button takes the first free hour. Step 5 is never requested, because it takes an
hour. The calendar's own AJAX call lists the hours and changes nothing: free hours are links in its weekly table, and in
a complete table an hour without a link is not free.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Annotated

from lxml import etree, html
from pydantic import BeforeValidator, StringConstraints

from configs.ground.strict_model import Strict
from crawler.parsing.absence import Statement, check_page, doubt_of
from crawler.parsing.dates import WEEK_LENGTH, YEARS, covered_by_answer, day_of, moments_in, week, within
from crawler.parsing.error_pages import Notice, find_notice, read_error_status
from crawler.parsing.hidden_parts import HIDDEN
from crawler.parsing.html_text import label, rendered_text
from crawler.platforms import Platform, match_address
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

BOOKING = "/booking/create/"
ASSIGN = "/ezjscore/call/bookingserver::planning::assign::"
ADDRESS = re.compile(rf"(?P<root>https?://[^/]+.*?)(?:{BOOKING}|{ASSIGN})(?P<form>\d+)(?![\w-])")
WEEK = "/descendant::th[@colspan='7']"  # the only heading that names a table's week
_SAFE_STEPS = frozenset({0, 1, 3})
_LINKS = etree.XPath(f"//a[not({HIDDEN})]/@href")
_UNIX = re.compile(r"[0-9]{9,11}")
_FREE = "libre"  # the site's word for a free hour
# Also beside an hour in a week's cell: `09:30 Libre`
_WORDS = "translate(normalize-space(), 'LIBRE', 'libre')"
_UNLINKED = (
    f"//text()[{_WORDS}=$word or contains({_WORDS}, $word) and ancestor::tr[count(td) > 4]]"
    "[not(ancestor::a[contains(@href, $hours)])]"
)
# The word for a free hour in a link, or in a row of more than four cells.
_ASTRAY = "boolean(ancestor-or-self::a or ancestor::tr[count(td) > 4])"
# Cells of a week, what a taken one says, and what it does not hold: what a person could choose, a class of free hours
_CELLS = "/descendant::tr[count(td) > 4]/td"
_TAKEN = frozenset({"", "complet", "fermé", "férié", "indisponible", "occupé", "passé", "-", "–", "x"})
_CHOOSABLE = (
    "descendant-or-self::*[self::a or self::button or self::input or self::select or @onclick or @role]"
)
_MARKED = re.compile(
    r"(?<![a-zà-ÿ])(?:free|libre|open|available|dispo(?:nible)?|bookable|status-1)(?![a-zà-ÿ\d])"
)
_MOST = 100  # plannings; a page has about a dozen, and each label is searched in the whole page
_RADIOS = (
    "/descendant::input[@name='planning'][translate(@type, 'ADIOR', 'adior')='radio'"
    " or contains(concat(' ', @class, ' '), ' radio ')]"
)
_CALL = re.compile(rf"{ASSIGN}\d+::(?P<planning>\d+)::(?P<ahead>\d+)")
_TAKES = re.compile(rf"{BOOKING}\d+/(?:[5-9]|\d\d)")
_BUTTON = re.compile(rf"{BOOKING}\d+/4(?!\d)")
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
_RETIRED = "Ce lien a été désactivé définitivement"
_BUSY = r"(?i)service (?:est )?surchargé|50[234] (?:bad gateway|service (?:temporarily )?unavailable|gateway time-?out)"
_TROUBLES = (
    Notice(Outcome.OVERLOADED, re.compile(_BUSY), "//h1"),
    Notice(Outcome.OVERLOADED, re.compile("The server returned an invalid or incomplete response"), "/*"),
    Notice(Outcome.CLOSED, re.compile(_RETIRED), "/*", said=_RETIRED),
)


@dataclass(frozen=True)
class Form:
    """One form of one site. All addresses are built here, and none that takes an hour."""

    root: str
    number: str

    @classmethod
    def of(cls, visit: VisitContext) -> "Form":
        """Return a desk's form; raises ValueError for an address of another platform."""
        found = match_address(visit.url, ADDRESS, "EZBooking", "booking/create/<form>")
        return cls(found["root"], found["form"])

    @property
    def url(self) -> str:
        """Return the address that people open."""
        return f"{self.root}{BOOKING}{self.number}"

    @property
    def hours(self) -> str:
        """Return the part of an hour's address before its unix seconds."""
        return f"booking/create/{self.number}/5/"

    def step(self, number: int) -> str:
        """Return the address of a step; raises ValueError for one that may take a slot."""
        if number not in _SAFE_STEPS:
            raise ValueError(f"EZBooking step {number} is not ours: only {sorted(_SAFE_STEPS)} take no slot")
        return f"{self.url}/{number}"

    def week(self, planning: str, ahead: int) -> str:
        """Return the address of the week that begins so many days from today."""
        return f"{self.root}{ASSIGN}{self.number}::{planning}::{ahead}"


def find_hours(page: Page, form: Form, place: Place) -> tuple[tuple[Slot, ...], int]:
    """Return the free hours that a page links, in its order, and the number of links with an unreadable hour.

    Invisible links do not count. The address of a slot is the form's: its own link would take it.
    """
    link = re.compile(rf"{re.escape(form.hours)}([^/?#]*)")
    written = dict.fromkeys(found[1] for found in map(link.search, _LINKS(page.root)) if found)
    hours = [_instant(unix) for unix in written]
    once = dict.fromkeys(hour for hour in hours if hour)
    return tuple(Slot(place, hour, form.url) for hour in once), hours.count(None)


def _instant(unix: str) -> datetime | None:
    # In UTC: within one zone, Python takes the two equal hours of a clock change for the same.
    if not _UNIX.fullmatch(unix.strip()):
        return None
    hour = datetime.fromtimestamp(int(unix), UTC)
    return hour if hour.year in YEARS else None


def ask_weeks(page: Page, place: Place, planning: str) -> list[PageRequest]:
    """Return the requests for the weeks of a planning up to the horizon, nearest first.

    The first has the rank of the page itself, the others follow after the first weeks of all plannings. A visit may end
    before all weeks were asked, so the ranks begin one week later on each turn.
    """
    visit, form = page.visit, Form.of(page.visit)
    turn = visit.turn if page.ask.turn is None else page.ask.turn
    aheads = range(0, visit.horizon.days + 1, WEEK_LENGTH)
    ranks = ((number - turn) % len(aheads) for number in range(len(aheads)))
    return [
        PageRequest(
            form.week(planning, ahead),
            "week",
            place=place,
            window=week(visit, place, ahead),
            rank=_MOST + rank if rank else page.ask.rank,
        )
        for rank, ahead in zip(ranks, aheads, strict=True)
    ]


def _is_whole(page: Page, form: Form, slots: tuple[Slot, ...], window: CoveredWindow) -> bool:
    """Tell whether a table is complete, and links exactly the hours of its days that occur anywhere in the page.

    A complete table has no broken tag, and each free hour in it is a link: apart from links to hours, the word for
    one occurs once, in the table's legend.
    """
    anywhere = set(re.findall(rf"{re.escape(form.hours)}(\d{{9,11}})(?!\d)", page.text))
    if len(anywhere) != len(slots) or not within(window, slots, page.visit.zone):
        return False
    if b"</table" not in page.lowered or page.body.rfind(b"<") > page.body.rfind(b">"):
        return False
    if any(not _is_known(cell, form) for cell in page.root.xpath(_CELLS)):
        return False
    free = page.root.xpath(_UNLINKED, word=_FREE, hours=form.hours)
    legends = [each for each in free if not each.getparent().xpath(_ASTRAY)]
    return len(free) == len(legends) == 1


def _is_known(cell: html.HtmlElement, form: Form) -> bool:
    """Tell whether a cell of a week links hours, or is one that is taken: its words say so, and nothing in it more."""
    if cell.xpath("descendant::a[contains(@href, $hours)]", hours=form.hours):
        return True
    marks = " ".join(cell.xpath("descendant-or-self::*/@class")).casefold()
    is_taken = rendered_text(cell).strip().casefold() in _TAKEN and not _MARKED.search(marks)
    return is_taken and not cell.xpath(_CHOOSABLE)


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
    # The same way to the calendar, then a counter's or a week's answer each, to the end of the budget.
    OPEN_COST = 6
    EXAMPLE = "https://www.prefecture.invalid/booking/create/1"
    ADDRESS = ADDRESS
    MARKS = ("//form[@id='FormBookingCreate']", "//*[@id='inner_Booking']")
    Parameters = EzBookingParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the conditions, which also opens the session."""
        return PageRequest(Form.of(visit).step(0), "conditions")

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


def _place(page: Page) -> Place:
    """Return the requested planning; a form without a choice is one place, with the form's id as key."""
    return page.ask.place if page.ask.place != ANYWHERE else Place(Form.of(page.visit).number)


def _trouble(page: Page) -> Reading | None:
    return find_notice(page, _TROUBLES)


def _full(page: Page) -> Reading | None:
    """Find the platform's own sentence at the start of the form's or an error's text; elsewhere it may be a quote."""
    form = [text for text in map(rendered_text, _FORM(page.root)) if _FULL.match(text)]
    errors = [text for text in map(rendered_text, _ERRORS(page.root)) if _FULL.match(text)]
    if not (form or errors):
        return None
    is_open = page.root.xpath(WEEK) or any(_is_step(page, *each) for each in _STEPS.values())
    if is_open or f"{Form.of(page.visit).number}/5/" in page.text:
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
    whole = CoveredWindow(None if key == Form.of(page.visit).number else key)
    return Reading(Outcome.NO_SLOTS, said[:200], covered=(whole,))


def _open(page: Page) -> Reading | None:
    """Read steps 3 and 4, which only an open desk shows: `open` is the fallback until a calendar is covered."""
    steps = _STEPS.items()
    step = next((n for n, (mark, button) in steps if _is_step(page, f"{mark}{_SHOWN}", button)), None)
    if step is None:
        return None
    form, place = Form.of(page.visit), _place(page)
    named = set(re.findall(rf"planning::assign::{form.number}::(\d+)", page.text))
    plannings = {place.key} if place.key != form.number else named or set(page.visit.parameters.plannings)
    asks = ask_weeks(page, place, plannings.pop()) if len(plannings) == 1 else []
    if not asks and step == 3 and page.ask.step != "describe":  # noqa: PLR2004 -- step 4 names the calendar
        rank, turn = page.ask.rank, page.ask.turn
        asks = [PageRequest(form.step(3), "describe", "POST", _NEXT, place=place, rank=rank, turn=turn)]
    slots, unknown = find_hours(page, form, place)[0], (Slot(place, None, form.url),)
    reason = f"step {step}: the desk is open"
    if not asks:
        return Reading(Outcome.SLOTS, f"{reason}, and no calendar can be asked", slots or unknown)
    if slots:
        return Reading(Outcome.SLOTS, reason, slots, asks=tuple(asks))
    return Reading(None, reason, asks=tuple(asks), fallback=unknown)


def _is_step(page: Page, mark: str, button: str) -> bool:
    return bool(page.root.xpath(mark) and page.root.xpath(button))


def _choice(page: Page) -> Reading | None:
    """Request each planning that step 1 offers, rotated each visit; None if it offers none."""
    offered = dict.fromkeys(filter(None, map(_key, page.root.xpath(_RADIOS))))
    if not offered:
        return None
    if len(offered) > _MOST:
        return Reading(Outcome.UNREADABLE, f"offers {len(offered)} plannings, which no form does")
    if page.ask.step == "planning":
        return Reading(Outcome.UNREADABLE, "a planning was chosen and the choice came back")
    keys = [key for key in offered if key in (page.visit.parameters.plannings or offered)]
    if not keys:
        return Reading(Outcome.UNREADABLE, f"offers plannings {', '.join(offered)}: none is this desk's")
    url = Form.of(page.visit).step(1)
    turn = page.visit.turn // len(keys)  # a visit may end before all are requested
    asks = tuple(
        PageRequest(
            url,
            "planning",
            "POST",
            {"planning": key, **_NEXT},
            place=Place(key, label(page.root, f"planning{key}")),
            rank=rank,
            turn=turn,
        )
        for rank, key in enumerate(page.visit.in_turn(keys))
    )
    return Reading(reason=f"step 1: {len(asks)} of {len(offered)} plannings", asks=asks)


def _key(radio: html.HtmlElement) -> str:
    return str(radio.get("value") or radio.get("id", "").removeprefix("planning"))


def _conditions(page: Page) -> Reading | None:
    if not page.root.xpath("/descendant::input[@id='condition']"):
        return None
    if page.ask.step == "accept":
        return Reading(Outcome.UNREADABLE, "the conditions were accepted and came back: no session was kept")
    accept = PageRequest(Form.of(page.visit).step(0), "accept", "POST", _CONDITIONS)
    return Reading(reason="step 0: the conditions", asks=(accept,))


def _calendar(page: Page) -> Reading | None:
    """Read one week; None for a page that is no complete week and links no hour.

    An empty week covers itself and leads on to the next of its place. The last one, or a single one, is `no_slots` for
    its days; VisitState adds the weeks up.
    """
    form, place, call = Form.of(page.visit), _place(page), _CALL.search(page.url)
    asked = page.ask.window or (week(page.visit, place, int(call["ahead"])) if call else None)
    slots, odd = find_hours(page, form, place)
    window = covered_by_answer(place, asked, shown) if (shown := _week_shown(page)) else None
    covered = (window,) if window and not odd and _is_whole(page, form, slots, window) else ()
    if slots:
        return Reading(Outcome.SLOTS, f"{len(slots)} free hours linked, {odd} odd links", slots, covered)
    if not (window and covered):
        return None
    weeks = ask_weeks(page, place, call["planning"]) if call else []
    last = (asked and asked.last) or date.max
    later = [each for each in weeks if each.window and (each.window.last or last) > last]
    reason = f"no free hour {window.first} to {window.last}"
    return Reading(None if later else Outcome.NO_SLOTS, reason, covered=covered, asks=tuple(later[:1]))


def _week_shown(page: Page) -> tuple[date, date] | None:
    """Return the first and last day of a week by its only heading, which names these two; None for any other."""
    headings = page.root.xpath(WEEK)
    if len(headings) != 1:
        return None
    named = list(islice(moments_in(rendered_text(headings[0]), page.visit), 3))  # a third makes it no week
    days = [day_of(each, page.visit.zone) for each in named]
    return (days[0], days[1]) if len(days) == 2 and days[0] < days[1] else None  # noqa: PLR2004
