"""Content that messages about the watching share: the desks, since when, and why a contact is skipped."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time

from api.models.notification import State
from api.models.user import Contact, ContactState
from configs.desk import zone_of
from configs.prefecture import desks
from notifier.content.desk_location import location_of, name_city
from notifier.message_kind_base import Skip

_HOME = "Europe/Paris"


class DeskInfo(NamedTuple):
    """A desk as people know it: `Essonne (91)`, its label, the page."""

    where: str
    label: str
    url: str


def desk_infos(desk_ids: Iterable[str]) -> list[DeskInfo]:
    """Return the desks that the files still have, in order."""
    found = [desks()[desk_id] for desk_id in sorted(desk_ids) if desk_id in desks()]
    homes = [location_of(desk.id, desk.prefecture_id) for desk in found]
    return [
        DeskInfo(f"{home.name} ({home.department})", desk.message_label, desk.url)
        for desk, home in zip(found, homes, strict=True)
    ]


def since_values(params: Mapping[str, Any], zone: ZoneInfo, language: str) -> dict[str, str]:
    """Return in words when it began, in that zone."""
    moment = datetime.fromisoformat(params["since"]).astimezone(zone)
    day, hour = format_date(moment, "long", locale=language), format_time(moment, "short", locale=language)
    first = language == "fr" and moment.day == 1
    return {"since_day": day.replace("1 ", "1er ", 1) if first else day, "since_hour": hour}


def outage_values(params: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Return what the texts on unwatched desks are filled with; `where` is None for desks of several prefectures."""
    found = desk_infos(params["desks"])
    homes = sorted({spot.where for spot in found})
    zone = next((desks()[desk_id].zone for desk_id in params["desks"] if desk_id in desks()), zone_of(_HOME))
    return {
        "reason": params["reason"],
        "spots": found,
        "where": homes[0] if len(homes) == 1 else None,
        "city": name_city(zone, language),
        **since_values(params, zone, language),
    }


def since_at_home(params: Mapping[str, Any], language: str) -> dict[str, str]:
    """Return in words when it began, as operators' clocks say."""
    return since_values(params, zone_of(_HOME), language)


def skip_unreachable(contact: Contact) -> Skip | None:
    """Return why nothing is sent to a contact that was reachable when the message was written, or None."""
    if contact.state is not ContactState.OK:
        return Skip(State.SKIPPED, f"address {contact.state.value}")
    if contact.reachable:
        return None
    return Skip(State.SKIPPED, "address not verified" if contact.enabled else "switched off")
