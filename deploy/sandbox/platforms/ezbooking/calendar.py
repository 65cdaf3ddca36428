"""The weekly calendar of an EZBooking planning: the HTML fragment that the page fetches by AJAX."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from deploy.sandbox.clock import PARIS, today
from deploy.sandbox.slot_store import HOURS
from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from collections.abc import Iterable

WEEK: Final = 7
_SATURDAY: Final = 5
_DAYS: Final = ("Lundi", "Mardi", "Mercredi", "Jeudi", "Vendredi", "Samedi", "Dimanche")


def week_fragment(form: int, slots: Iterable[int], days_from_today: int) -> str:
    """Return the table of the seven days that begin ``days_from_today`` days after today.

    Args:
        form: number of the form, for the links.
        slots: open slots in unix seconds; those of other weeks are left out.
        days_from_today: 0 for the week that begins today. That a week begins on the day asked for,
            and not on its Monday, is our reading: no recording of a calendar exists.
    """
    first = today() + timedelta(days=days_from_today)
    week = [first + timedelta(days=ahead) for ahead in range(WEEK)]
    # Pairs, not a dict: two instants can share a wall clock in the hour that is repeated in October.
    here = [(datetime.fromtimestamp(slot, PARIS), slot) for slot in slots]
    here = [(moment, slot) for moment, slot in here if moment.date() in week]
    hours = sorted({*HOURS, *(moment.time() for moment, _ in here)})
    rows = [[_cell(day, hour, here) for day in week] for hour in hours]
    return render(
        "ezbooking/calendar.html",
        form=form,
        first=f"{week[0]:%d/%m/%Y}",
        last=f"{week[-1]:%d/%m/%Y}",
        heads=[f"{_DAYS[day.weekday()]} {day:%d/%m}" for day in week],
        rows=rows,
    )


def _cell(day: date, hour: time, here: Iterable[tuple[datetime, int]]) -> dict[str, object]:
    found = [slot for moment, slot in here if moment.date() == day and moment.time() == hour]
    works = hour in HOURS and day.weekday() < _SATURDAY
    return {"hour": f"{hour:%Hh%M}", "slots": found, "works": works}
