"""Release times of new slots, where a source names them: weekday and hours, or the next working day after a holiday."""

import datetime as dt
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple, Self, get_args
from zoneinfo import ZoneInfo

import holidays
from pydantic import BeforeValidator, model_validator

from configs.ground.strict_model import IsoDate, Strict

_ALSACE = ("67", "68")
_FORTNIGHT = dt.timedelta(days=14)  # there is a window in it, also where a holiday puts one off
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Window(NamedTuple):
    """From when until when slots are published, aware, in UTC."""

    begins: dt.datetime
    ends: dt.datetime


def _hour(value: object) -> object:
    # YAML reads 16:00 without quotes as a number to the base of sixty
    if isinstance(value, str) and len(value) == len("16:00"):
        return value
    raise ValueError('must be an hour in quotes: write it as "16:00"')


Hour = Annotated[dt.time, BeforeValidator(_hour)]


class Release(Strict):
    """A weekly publication of slots, in the desk's local time. `source` tells of it, on `date`."""

    day: Day
    begins: Hour
    ends: Hour
    source: str
    date: IsoDate

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begins >= self.ends:
            raise ValueError("begins must lie before ends")
        return self

    def on(self, monday: dt.date, zone: ZoneInfo, department: str) -> Window:
        """Return its window in the week of that Monday."""
        day = working_day(monday + dt.timedelta(days=get_args(Day).index(self.day)), department)
        return Window(
            *(dt.datetime.combine(day, hour, zone).astimezone(dt.UTC) for hour in (self.begins, self.ends))
        )


def working_day(day: dt.date, department: str) -> dt.date:
    """Return the day itself, or where it is a public holiday of the department the next working day."""
    free = list_holidays(department)
    return free.get_nth_working_day(day, 1) if day in free else day


def list_windows(
    releases: Iterable[Release], zone: ZoneInfo, department: str, now: dt.datetime, until: dt.datetime
) -> list[Window]:
    """Return the release windows that end after `now` and begin before `until`, in their order."""
    today = now.astimezone(zone).date()
    first = today - dt.timedelta(days=today.weekday() + 7)  # a holiday puts a window into another week
    weeks = range((until - now).days // 7 + 3)
    found = {
        each.on(first + dt.timedelta(days=7 * week), zone, department) for each in releases for week in weeks
    }
    return sorted(each for each in found if each.ends > now and each.begins < until)


def window(releases: Iterable[Release], zone: ZoneInfo, department: str, now: dt.datetime) -> Window | None:
    """Return the release window that contains `now`, else the next one; None where no source names one."""
    return next(iter(list_windows(releases, zone, department, now, now + _FORTNIGHT)), None)


@lru_cache
def list_holidays(department: str = "") -> holidays.HolidayBase:
    """Return the public holidays of a department: Alsace, Moselle and overseas have more than the others.

    Without one the eleven of L.3133-1 Code du travail. A year is added when a day of it is asked for.
    """
    local = "6AE" if department in _ALSACE else department
    known = holidays.list_supported_countries()["FR"]
    return holidays.country_holidays("FR", subdiv=local if local in known else None)
