"""Time zones to choose from, named by their country and city in the page's language."""

from functools import lru_cache

from babel import Locale
from babel.core import get_global
from babel.dates import get_timezone_location

from api.middleware.languages import read_language
from api.users.schemas import list_time_zones
from configs.world.prefecture import prefectures


def list_zone_choices(current: str) -> list[tuple[str, str]]:
    """Return (zone, name): the zones of our prefectures first, then all others by name; `current` is among them."""
    choices = _list_zones(read_language())
    known = {zone for zone, _ in choices}
    return choices if current in known else [(current, current), *choices]


def name_zone(zone: str) -> str:
    """Return a zone's name in the page's language; the zone itself where it has none."""
    return dict(list_zone_choices(zone))[zone]


@lru_cache(maxsize=3)
def _list_zones(language: str) -> list[tuple[str, str]]:
    ours = list(dict.fromkeys(str(each.time_zone) for each in prefectures().values()))
    others = (
        zone for zone in get_global("zone_territories") if zone in list_time_zones() and zone not in ours
    )
    names = {zone: _name_zone(zone, language) for zone in others}
    return [(zone, _name_zone(zone, language)) for zone in ours] + sorted(
        names.items(), key=lambda each: each[1]
    )


def _name_zone(zone: str, language: str) -> str:
    locale = Locale(language)
    country = locale.territories.get(get_global("zone_territories").get(zone, ""), "")
    city = get_timezone_location(zone, locale=locale, return_city=True)
    return f"{country} ({city})" if country and country != city else city
