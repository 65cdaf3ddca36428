"""The iCalendar feed of known releases (RFC 5545).

The feed has instants in UTC, the same bytes all day: Outlook reads no zone whose changes of the clock are a list of
dates, and is an hour off in summer; every program shows an instant in UTC by its reader's clock.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone

from api.ground.translations import mark, translate
from api.prefectures.watch_states import KnownRelease
from configs.ground.clock import clock
from configs.ground.text import Language
from configs.world.prefecture import Prefecture, Procedure

CALENDAR_TYPE = "text/calendar"
_DOMAIN = "rdvpriority.fr"
_REFRESH = timedelta(hours=1)
_NO_END = timedelta(minutes=15)  # a page names the beginning only
_ANNOUNCED = {
    "page": mark("Annoncée par la page de rendez-vous elle-même, qui peut la montrer une minute plus tard."),
    "source": mark("Horaire habituel, d'après une source publique : il peut changer."),
}


def write_feed(
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
