"""The original pages of the mutation tests: golden and, if present, recorded ones, with their expectations.

What they prove comes from their expected.json (or expected.csv), which people read, never from the reader. What a case is given
may add what that does not say: `mended` and `alone` (see Truth), `named`: the next availabilities of several places.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from crawler.reading import CoveredWindow, Page
from tests.crawler.golden import CASES, expected, given, load, name_of, page_of, rows
from tests.crawler.pages import DESK

OPEN_STEPS = ("open", "pick")  # golden cases whose picture marks an open desk


@dataclass(frozen=True)
class Truth:
    """What a page proves. `hours`: instants, or dates where no hour is known, the one named as the next among them; `is_open`: whether it marks an open desk.

    `mended`: what it would cover if what is wrong with it were taken out; `alone`: if no week had been asked for.
    `hidden`: hours that it names and says are not free.
    """

    hours: frozenset[date] = frozenset()
    covered: tuple[CoveredWindow, ...] = ()
    is_open: bool = False
    outcome: str | None = None
    mended: tuple[CoveredWindow, ...] = ()
    alone: tuple[CoveredWindow, ...] = ()
    hidden: frozenset[date] = frozenset()

    def and_(self, other: "Truth") -> "Truth":
        """Return what two pages that came as one may prove together."""
        hours, covered = self.hours | other.hours, self.covered + other.covered
        mended, hidden = self.mended + other.mended, self.hidden | other.hidden
        return Truth(
            hours, covered, self.is_open or other.is_open, self.outcome, mended=mended, hidden=hidden
        )


@dataclass(frozen=True)
class Original:
    """A page as it came, and its truth."""

    name: str
    platform: str
    page: Page
    truth: Truth

    @property
    def text(self) -> str:
        """Return what it says, decoded."""
        return self.page.body.decode("utf-8", "replace")


@cache
def originals() -> tuple[Original, ...]:
    """Return every page there is."""
    return (*map(_golden, CASES), *_recorded())


def same_question(one: Original, other: Original) -> bool:
    """Tell whether both pages may answer the same request of the same desk.

    What an hour means depends on the zone; where pages do not name all their days, on today, and what an empty list
    in JSON means, on the days that were asked for. What a page proves that shows other days than those, nobody said.
    """
    here, there = one.page, other.page
    if one.platform != other.platform or here.visit.zone != there.visit.zone:
        return False
    if one.platform == "ezbooking":
        return True
    of_those_days = there.body.lstrip()[:1] in (b"{", b"[") or (here.ask.window and there.ask.window)
    listed = here.ask.window if of_those_days else there.ask.window
    days = [(each.visit.today, each.visit.last_day) for each in (here, there)]
    return days[0] == days[1] and listed == there.ask.window


def _golden(case: Path) -> Original:
    told, page, stated = expected(case), load(case), given(case)
    shown = [each["starts_at"] for each in told["slots"]] + [each.get("at") for each in told["next"] or []]
    hours = {_moment(each) for each in shown if each}
    covered = tuple(
        CoveredWindow(each["place"], _day(each["first"]), _day(each["last"])) for each in told["covered"]
    )
    hours |= {_moment(each) for each in stated.get("named", ())}
    alone, mended = stated.get("alone"), stated.get("mended")
    truth = Truth(
        frozenset(hours),
        covered,
        case.name.startswith(OPEN_STEPS),
        told["outcome"],
        mended=_window(mended) if mended else (page.ask.window,) if page.ask.window else (),
        alone=_window(alone) if alone else covered,
        hidden=frozenset(map(_moment, stated.get("hidden", ()))),
    )
    return Original(name_of(case), case.parent.name, page, truth)


def _window(ends: list[str | None]) -> tuple[CoveredWindow, ...]:
    return (CoveredWindow(None, _day(ends[0]), _day(ends[1])),)


def _moment(text: str) -> date:
    return datetime.fromisoformat(text).astimezone(UTC) if "T" in text else date.fromisoformat(text)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _recorded() -> Iterator[Original]:
    for row in rows():
        # Recorded slots are known by number and ends only: those pages prove their absence or nothing.
        if not row.slots:
            proven = (CoveredWindow(),) if "no_slots" in row.outcomes else ()
            outcome = next(iter(row.outcomes))
            leads_on = (CoveredWindow(),) if outcome is None else ()  # taken out, what it leads to is gone
            truth = Truth(covered=proven, outcome=outcome, mended=leads_on, alone=proven)
            page = page_of(row)
            here = replace(page, visit=replace(page.visit, url=DESK), ask=replace(page.ask, url=DESK))
            yield Original(str(row), row.platform, here, truth)
