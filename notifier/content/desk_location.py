"""Location of desks, also of those that left the files since; their names, times and pace, as texts are filled with."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel.dates import format_date, format_timedelta, get_timezone_location
from sqlalchemy.orm import Session

from api.models.alert import Alert, AlertTarget
from api.models.desk import DeskState
from api.models.watchability import Interval
from configs.ground.text import write_first, write_time
from configs.world.desk import HOME_ZONE, Desk, reveals_health, zone_of
from configs.world.plan import Plan
from configs.world.prefecture import desks, prefectures

_UNNAMED = "Guichet de la préfecture"
HOME = zone_of(HOME_ZONE)  # as operators' clocks say


@dataclass(frozen=True, slots=True)
class DeskLocation:
    """A prefecture's name and department (`Essonne`, `91`), and the desk's zone."""

    name: str
    department: str
    zone: ZoneInfo

    @property
    def where(self) -> str:
        """Return both: `Essonne (91)`."""
        return f"{self.name} ({self.department})"


def location_of(desk_id: str, prefecture_id: str) -> DeskLocation:
    """Return where a desk is; what the files do not know any more is read off the id (`bobigny_93`)."""
    desk, prefecture = desks().get(desk_id), prefectures().get(prefecture_id)
    chef_lieu, _, department = prefecture_id.partition("_")
    zone = desk.time_zone if desk else prefecture.time_zone if prefecture else HOME_ZONE
    if prefecture is None:
        return DeskLocation(chef_lieu.title(), department.upper(), zone_of(zone))
    return DeskLocation(prefecture.name, prefecture.department, zone_of(zone))


def name_place(target: AlertTarget) -> str:
    """Return where an alert waits: `Essonne (91)`."""
    desk_id = target.desk_id or ""
    return location_of(desk_id, target.prefecture_id or desk_id.partition("/")[0]).where


def name_city(zone: ZoneInfo, language: str) -> str:
    """Return the city whose clock a desk's hours follow, as a language calls it: `Cayenne`, `Париж`."""
    return get_timezone_location(zone, locale=language, return_city=True)


def name_desk(desk_id: str, label: str) -> str:
    """Return what a message calls a desk; `label`: its name when it was seen."""
    desk = desks().get(desk_id)
    if desk and desk.neutral_label:
        return desk.neutral_label
    return _UNNAMED if reveals_health(label) else label


class DeskInfo(NamedTuple):
    """A desk as people know it: `Essonne (91)`, its label, the page."""

    where: str
    label: str
    url: str


def desk_infos(desk_ids: Iterable[str]) -> list[DeskInfo]:
    """Return the desks that the files still have, in order."""
    found = [desks()[desk_id] for desk_id in sorted(desk_ids) if desk_id in desks()]
    return [
        DeskInfo(location_of(desk.id, desk.prefecture_id).where, desk.message_label, desk.url)
        for desk in found
    ]


def list_spots(desk_ids: Iterable[str]) -> dict[str, Any]:
    """Return those desks as `spots`, and `where` they are; None where they are in several prefectures."""
    found = desk_infos(desk_ids)
    homes = {spot.where for spot in found}
    return {"spots": found, "where": homes.pop() if len(homes) == 1 else None}


def write_day(day: date, language: str, form: str = "long") -> str:
    """Return `1er décembre 2026`, or what another of Babel's forms makes of it."""
    return write_first(format_date(day, form, locale=language))


def write_moment(at: datetime | str, zone: ZoneInfo, language: str) -> tuple[str, str]:
    """Return in words the day and the hour of an instant (ISO 8601), in that zone."""
    local = (datetime.fromisoformat(at) if isinstance(at, str) else at).astimezone(zone)
    return write_day(local, language), write_time(local, "short", locale=language)


def since_values(at: str, zone: ZoneInfo, language: str) -> dict[str, str]:
    """Return in words when something began, as texts name it."""
    return dict(zip(("since_day", "since_hour"), write_moment(at, zone, language), strict=True))


def describe_pace(session: Session, user_id: UUID | None, plan: Plan, language: str) -> dict[str, str]:
    """Return in words how often the desks of a user's alerts are asked; both are empty where no alert waits.

    `every` is today's interval, `slowest` the longest that may follow, where that is longer.
    """
    mine = sa.select(AlertTarget).join(AlertTarget.alert)
    waiting = (Alert.user_id == user_id, Alert.enabled, Alert.closed_at.is_(None))
    targets = session.scalars(mine.where(*waiting)).all()
    ids = [each.id for each in desks().values() if each.shows_slots and _is_meant(each, targets)]
    if not ids:
        return {"every": "", "slowest": ""}
    found = Interval.of(plan, session.scalars(sa.select(DeskState).where(DeskState.id.in_(ids))))
    slowest = _write_pace(found.slowest, language) if found.slowest > found.today else ""
    return {"every": _write_pace(found.today, language), "slowest": slowest}


def _is_meant(desk: Desk, targets: Iterable[AlertTarget]) -> bool:
    return any(
        each.covers_desk(desk_id=desk.id, prefecture_id=desk.prefecture_id, procedures=desk.procedures)
        for each in targets
    )


def _write_pace(seconds: float, language: str) -> str:
    return format_timedelta(timedelta(seconds=seconds), threshold=2, locale=language)
