"""Location of a desk: the prefecture's name and the time zone; also of desks that left the files since."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from babel.dates import get_timezone_location

from configs.desk import reveals_health, zone_of
from configs.prefecture import desks, prefectures

_HOME = "Europe/Paris"
_UNNAMED = "Guichet de la préfecture"


@dataclass(frozen=True, slots=True)
class DeskLocation:
    """A prefecture's name and department (`Essonne`, `91`), and the desk's zone."""

    name: str
    department: str
    zone: ZoneInfo


def location_of(desk_id: str, prefecture_id: str) -> DeskLocation:
    """Return where a desk is; what the files do not know any more is read off the id (`bobigny_93`)."""
    desk, prefecture = desks().get(desk_id), prefectures().get(prefecture_id)
    chef_lieu, _, department = prefecture_id.partition("_")
    zone = desk.time_zone if desk else prefecture.time_zone if prefecture else _HOME
    if prefecture is None:
        return DeskLocation(chef_lieu.title(), department.upper(), zone_of(zone))
    return DeskLocation(prefecture.name, prefecture.department, zone_of(zone))


def name_city(zone: ZoneInfo, language: str) -> str:
    """Return the city whose clock a desk's hours follow, as a language calls it: `Cayenne`, `Париж`."""
    return get_timezone_location(zone, locale=language, return_city=True)


def name_desk(desk_id: str, label: str) -> str:
    """Return what a message calls a desk; `label`: its name when it was seen."""
    desk = desks().get(desk_id)
    if desk and desk.neutral_label:
        return desk.neutral_label
    return _UNNAMED if reveals_health(label) else label
