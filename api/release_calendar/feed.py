"""iCalendar feed of known releases (RFC 5545): hours of the prefecture's time zone, the same bytes all day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from icalendar import Calendar, Event

from api.prefectures.releases import KnownRelease
from api.release_calendar.schemas import FeedLanguage
from configs.clock import clock
from configs.desk import zone_of
from configs.prefecture import Prefecture, Procedure

CALENDAR_TYPE = "text/calendar"
_DOMAIN = "rdvpriority.fr"
_REFRESH = timedelta(hours=1)
_NO_END = timedelta(minutes=15)  # a page names the beginning only
_TITLES: dict[FeedLanguage, str] = {
    "fr": "Mises en ligne de créneaux : ",
    "en": "Releases of slots: ",
    "ar": "مواعيد نشر الحجوزات: ",
}
_SUMMARIES: dict[FeedLanguage, str] = {
    "fr": "Mise en ligne de créneaux : ",
    "en": "Slots are released: ",
    "ar": "نشر مواعيد جديدة: ",
}
_ANNOUNCED: dict[FeedLanguage, dict[str, str]] = {
    "fr": {
        "page": "Annoncée par la page de rendez-vous elle-même.",
        "source": "Horaire habituel, d'après une source publique : il peut changer.",
    },
    "en": {
        "page": "Announced by the booking page itself.",
        "source": "The usual time, according to a public source: it may change.",
    },
    "ar": {
        "page": "أعلنته صفحة الحجز نفسها.",
        "source": "الوقت المعتاد حسب مصدر علني، وقد يتغيّر.",
    },
}


def write_feed(
    releases: Sequence[KnownRelease], place: Prefecture, procedure: Procedure, language: FeedLanguage
) -> bytes:
    """Return the feed of one prefecture and procedure."""
    calendar = Calendar.new(
        prodid=f"-//RDVPriority//{_DOMAIN}//{language.upper()}",
        name=_TITLES[language] + place.name,
        uid=f"{place.id}-{procedure.value.lower()}@{_DOMAIN}",
        refresh_interval=_REFRESH,
    )
    for each in releases:
        calendar.add_component(_build_event(each, place, language))
    year = clock().year
    calendar.add_missing_timezones(first_date=date(year - 1, 1, 1), last_date=date(year + 2, 1, 1))
    body: bytes = calendar.to_ical()
    return body


def _build_event(release: KnownRelease, place: Prefecture, language: FeedLanguage) -> Event:
    desk, zone = release.desk, zone_of(place.time_zone)
    return Event.new(
        # An announcement that moves is another event, and the old one is no longer in the feed.
        uid=f"{release.begins_at:%Y%m%dT%H%M%SZ}-{desk.id.replace('/', '-')}@{_DOMAIN}",
        # When it was last revised: each day. With the instant of the request no two answers would be the same.
        stamp=datetime.combine(clock().astimezone(UTC).date(), time(), UTC),
        start=release.begins_at.astimezone(zone),
        end=(release.ends_at or release.begins_at + _NO_END).astimezone(zone),
        summary=_SUMMARIES[language] + desk.message_label,
        description=f"{_ANNOUNCED[language][release.announced_by]}\n{desk.url}",
        location=desk.site or place.name,
        url=desk.url,
    )
