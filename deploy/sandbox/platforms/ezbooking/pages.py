"""Pages of EZBooking's wizard, and the weekly calendar.

The calendar is the HTML fragment that the page fetches by AJAX.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from deploy.sandbox.clock import PARIS, WEEKDAYS, today
from deploy.sandbox.slot_store import HOURS
from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.platform import Form, StandIn

PICTURES: Final = "/extension/booking/design/images"
_STEPS: Final = {
    1: "Prise de rendez-vous",
    3: "Descriptif",
    4: "Choix d'une plage",
    6: "Contrôle de sécurité",
    8: "Coordonnées personnelles",
    9: "Valider et terminer",
}
# By page: the current step, and the last one that is done.
_MARKS: Final = {0: (1, 0), 1: (1, 0), 2: (None, 1), 3: (3, 1), 4: (4, 3)}
_WEEK: Final = 7
_SATURDAY: Final = 5


def _progress(current: int | None, done: int = 0) -> list[tuple[str, str]]:
    """Return (picture, title) of the steps; ``r`` marks the current one, ``G`` those up to ``done``."""
    return [
        (f"{PICTURES}/etape_{step}{'r' if step == current else 'G' if step <= done else ''}.png", title)
        for step, title in _STEPS.items()
    ]


@lru_cache(maxsize=1024)
def page(
    template: str,
    site: StandIn,
    form: Form,
    *,
    prefix: str,
    step: int,
    planning: int = 0,
    offered: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """Return a page of the wizard as UTF-8; rendered once, since only slots change and they are not in it.

    ``prefix`` stands before ``/booking`` in links ("" or "/index.php"); the page of step 4 names the ``planning``
    chosen in its script; ``offered`` are key and label of each counter that step 1 offers.
    """
    shown = {"site": site, "form": form, "prefix": prefix, "step": step, "planning": planning}
    shown |= {"base": f"{prefix}/booking/create/{form.number}", "steps": _progress(*_MARKS[step])}
    return render(f"ezbooking/{template}", **shown, offered=offered).encode()


def week_fragment(form: int, slots: Iterable[int], days_from_today: int) -> str:
    """Return the table of the seven days that begin ``days_from_today`` days after today.

    Args:
        form: number of the form.
        slots: open slots in unix seconds; those of other weeks are left out.
        days_from_today: 0 for the week that begins today. That a week begins on the day asked for,
            and not on its Monday, is our reading: no recording of a calendar exists.
    """
    first = today() + timedelta(days=days_from_today)
    week = [first + timedelta(days=ahead) for ahead in range(_WEEK)]
    # Pairs, not a dict: two instants can share a wall clock in the hour that is repeated in October.
    here = [(datetime.fromtimestamp(slot, PARIS), slot) for slot in slots]
    here = [(moment, slot) for moment, slot in here if moment.date() in week]
    hours = sorted({*HOURS, *(moment.time() for moment, _ in here)})
    rows = [[_cell(day, hour, here) for day in week] for hour in hours]
    heads = [f"{WEEKDAYS[day.weekday()].capitalize()} {day:%d/%m}" for day in week]
    ends = {"first": f"{week[0]:%d/%m/%Y}", "last": f"{week[-1]:%d/%m/%Y}"}
    return render("ezbooking/calendar.html", form=form, **ends, heads=heads, rows=rows)


def _cell(day: date, hour: time, here: Iterable[tuple[datetime, int]]) -> dict[str, object]:
    found = [slot for moment, slot in here if moment.date() == day and moment.time() == hour]
    works = hour in HOURS and day.weekday() < _SATURDAY
    return {"hour": f"{hour:%Hh%M}", "slots": found, "works": works}
