"""The calendar of known releases of the next weeks: its reads, and its iCalendar feeds (RFC 5545).

A feed has instants in UTC, the same bytes all day: Outlook reads no zone whose changes of the clock are a list of
dates, and is an hour off in summer; every program shows an instant in UTC by its reader's clock.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone
from pydantic import Field
from sqlalchemy.orm import Session

from api.ground.errors import invalid
from api.ground.schemas import Answer, Body, FieldError
from api.ground.translations import mark, translate
from api.prefectures.queries import list_serving_desks
from api.prefectures.watch_states import Announcer, KnownRelease, list_releases, read_watch_states
from configs.ground.clock import clock
from configs.ground.text import Language
from configs.world.desk import Procedure, WatchLevel
from configs.world.prefecture import Prefecture, prefectures

_AHEAD = timedelta(weeks=8)
CALENDAR_TYPE = "text/calendar"
_DOMAIN = "rdvpriority.fr"
_REFRESH = timedelta(hours=1)
_NO_END = timedelta(minutes=15)  # a page names the beginning only
_ANNOUNCED = {
    "page": mark("Annoncée par la page de rendez-vous elle-même, qui peut la montrer une minute plus tard."),
    "source": mark("Horaire habituel, d'après une source publique : il peut changer."),
}


class CalendarQuery(Body):
    """Which prefecture and procedure; without them all."""

    prefecture: Annotated[str, Field(max_length=100, examples=["bobigny_93"])] | None = None
    procedure: Procedure | None = None


class FeedQuery(Body):
    """Which procedure, and the language of the entries."""

    procedure: Procedure
    language: Language = "fr"


class ReleaseEntry(Answer):
    """A time at which a desk puts slots on line, as its own page says or another source; a page names no end.

    A page may show it up to 60 seconds later than it says.

    `watchLevel` `none`: no check sees its slots, so looking at that time is the only way.
    """

    prefecture_id: str
    name: str
    department: str
    time_zone: str
    desk_id: str
    label: str
    site: str | None
    procedures: list[Procedure]
    booking_url: str
    watch_level: WatchLevel
    begins_at: datetime
    ends_at: datetime | None
    announced_by: Announcer


class ReleaseCalendar(Answer):
    """The releases until `endsAt` that are not over, in the order of time."""

    ends_at: datetime
    items: list[ReleaseEntry]


def find_places(query: CalendarQuery) -> list[Prefecture]:
    """Return the prefecture that a query names, or all.

    Raises:
        ApiError: 422, there is no such prefecture.
    """
    if query.prefecture is None:
        return list(prefectures().values())
    place = prefectures().get(query.prefecture)
    if place is None:
        detail = "there is no such prefecture: GET /api/prefectures lists them"
        raise invalid(FieldError(path="prefecture", rule="unknown", detail=detail))
    return [place]


def build_calendar_key(query: CalendarQuery) -> str:
    """Return under which key the answer to a query is cached."""
    return f"calendar:{query.prefecture or 'all'}:{query.procedure or 'all'}"


def build_feed_key(place: Prefecture, procedure: Procedure, language: Language) -> str:
    """Return under which key a feed is cached."""
    return f"feed:{place.id}:{procedure}:{language}"


def read_calendar(
    session: Session, places: Sequence[Prefecture], procedure: Procedure | None
) -> ReleaseCalendar:
    """Return the releases of these prefectures, of all desks that serve the procedure."""
    by_id = {place.id: place for place in places}
    items = [
        _build_entry(each, by_id[each.desk.prefecture_id])
        for each in _read_releases(session, places, procedure)
    ]
    return ReleaseCalendar(ends_at=clock() + _AHEAD, items=items)


def read_feed(session: Session, place: Prefecture, procedure: Procedure, language: Language) -> bytes:
    """Return the same for one prefecture as an iCalendar feed."""
    return _write_feed(_read_releases(session, [place], procedure), place, procedure, language)


def _read_releases(
    session: Session, places: Sequence[Prefecture], procedure: Procedure | None
) -> list[KnownRelease]:
    desks = [desk for place in places for desk in list_serving_desks(place, procedure)]
    now, until = read_watch_states(session, desks), clock() + _AHEAD
    found = [each for desk in desks for each in list_releases(desk, now, until)]
    return sorted(found, key=lambda each: (each.begins_at, each.desk.id))


def _build_entry(release: KnownRelease, place: Prefecture) -> ReleaseEntry:
    desk = release.desk
    return ReleaseEntry.of_row(
        desk,
        name=place.name,
        department=place.department,
        time_zone=place.time_zone,
        desk_id=desk.id,
        procedures=sorted(desk.procedures),
        booking_url=desk.url,
        watch_level=desk.watch if desk.schedulable else WatchLevel.NONE,
        begins_at=release.begins_at,
        ends_at=release.ends_at,
        announced_by=release.announced_by,
    )


def _write_feed(
    releases: Sequence[KnownRelease], place: Prefecture, procedure: Procedure, language: Language
) -> bytes:
    """Return the feed of one prefecture and procedure."""
    calendar = Calendar.new(
        prodid=f"-//RDVPriority//{_DOMAIN}//{language.upper()}",
        name=translate(mark("Mises en ligne de places : "), language) + place.name,
        uid=f"{place.id}-{procedure.value.lower()}@{_DOMAIN}",
    )
    # its type has no default (RFC 7986, 5.7), and the library names none
    calendar.add("REFRESH-INTERVAL", _REFRESH, parameters={"VALUE": "DURATION"})
    for each in releases:
        calendar.add_component(_build_event(each, place, language))
    if not releases:
        # A calendar has one component at least (RFC 5545, 3.6): programs refuse to subscribe to an empty one.
        calendar.add_component(Timezone.from_tzinfo(ZoneInfo("UTC")))
    body: bytes = calendar.to_ical()
    return body


def _build_event(release: KnownRelease, place: Prefecture, language: Language) -> Event:
    desk = release.desk
    return Event.new(
        # An announcement that moves is another event, and the old one is no longer in the feed.
        uid=f"{release.begins_at:%Y%m%dT%H%M%SZ}-{desk.id.replace('/', '-')}@{_DOMAIN}",
        # When it was last revised: each day. With the instant of the request no two answers would be the same.
        stamp=datetime.combine(clock().astimezone(UTC).date(), time(), UTC),
        start=release.begins_at.astimezone(UTC),
        end=(release.ends_at or release.begins_at + _NO_END).astimezone(UTC),
        summary=translate(mark("Mise en ligne de places : "), language) + desk.message_label,
        description=f"{translate(_ANNOUNCED[release.announced_by], language)}\n{desk.url}",
        location=desk.site or place.name,
        url=desk.url,
    )
