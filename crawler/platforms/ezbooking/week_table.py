"""A form of an EZBooking site: its addresses, and its weekly table, whose free hours are links.

In a complete table an hour without a link is not free.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from crawler.parsing.date_windows import WEEK_DAYS, YEARS, covered_by_answer, week, within
from crawler.parsing.html_text import HIDDEN, names_date, period, rendered_text
from crawler.parsing.url_patterns import match_address
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Place, Reading, Slot, VisitContext

BOOKING = "/booking/create/"
ASSIGN = "/ezjscore/call/bookingserver::planning::assign::"
ADDRESS = re.compile(rf"(?P<root>https?://[^/]+.*?)(?:{BOOKING}|{ASSIGN})(?P<form>\d+)(?![\w-])")
WEEK = "/descendant::th[@colspan='7']"  # the only heading that names a table's week

_SAFE_STEPS = frozenset({0, 1, 3})
_LINKS = etree.XPath(f"//a[not({HIDDEN})]/@href")
_UNIX = re.compile(r"[0-9]{9,11}")
_FREE = "libre"  # the site's word for a free hour
_UNLINKED = "//text()[normalize-space()=$word][not(ancestor::a[contains(@href, $hours)])]"
# The word for a free hour in a link, or in a row of more than four cells.
_ASTRAY = "boolean(ancestor-or-self::a or ancestor::tr[count(td) > 4])"


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


def ask_weeks(page: Page, place: Place, planning: str, behind: int) -> list[PageRequest]:
    """Return the requests for the weeks of a planning up to the horizon, nearest first.

    The first has the rank of the page itself, the others follow from rank `behind` on, after the first weeks of all
    plannings. A visit may end before all weeks were asked, so the ranks begin one week later on each turn.
    """
    visit, form = page.visit, Form.of(page.visit)
    turn = visit.turn if page.ask.turn is None else page.ask.turn
    aheads = range(0, visit.horizon.days + 1, WEEK_DAYS)
    ranks = ((number - turn) % len(aheads) for number in range(len(aheads)))
    return [
        PageRequest(
            form.week(planning, ahead),
            "week",
            place=place,
            window=week(visit, place, ahead),
            rank=behind + rank if rank else page.ask.rank,
        )
        for rank, ahead in zip(ranks, aheads, strict=True)
    ]


def read_week(
    page: Page, place: Place, asked: CoveredWindow | None, weeks: Callable[[], list[PageRequest]]
) -> Reading | None:
    """Read one week; None for a page that is no complete week and links no hour.

    An empty week covers itself and leads on to the next of the place's `weeks`. The last one, or a single one, is
    `no_slots` for its days; VisitState adds the weeks up. `asked`: the requested days, if known.
    """
    form = Form.of(page.visit)
    slots, odd = find_hours(page, form, place)
    headings = [rendered_text(heading) for heading in page.root.xpath(WEEK)]
    window = covered_by_answer(place, asked, period(" ".join(headings)))
    named = len(headings) == 1 and names_date(headings[0])
    covered = (window,) if window and named and not odd and _is_whole(page, form, slots, window) else ()
    if slots:
        return Reading(Outcome.SLOTS, f"{len(slots)} free hours linked, {odd} odd links", slots, covered)
    if not (window and covered):
        return None
    later = [each for each in weeks() if asked and each.window and _ends_behind(each.window, asked)]
    reason = f"no free hour {window.first} to {window.last}"
    return Reading(None if later else Outcome.NO_SLOTS, reason, covered=covered, asks=tuple(later[:1]))


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
    free = page.root.xpath(_UNLINKED, word=_FREE, hours=form.hours)
    legends = [each for each in free if not each.getparent().xpath(_ASTRAY)]
    return len(free) == len(legends) == 1


def _ends_behind(week: CoveredWindow, asked: CoveredWindow) -> bool:
    return bool(week.last and asked.last and week.last > asked.last)
