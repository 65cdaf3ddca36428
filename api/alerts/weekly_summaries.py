"""The weekly summary: who asked for one, and when it is due by the clock of their time zone.

It is due on Mondays at 8:00. Summaries that are due at once leave one after the other within SPREAD. Where no job ran,
they are written later on that Monday, and not after it. The dedupe key names the user and the Monday, so that a change
of the time zone brings no second one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.alerts.weekly_facts import read_facts
from api.models.alert import Alert
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.ground.clock import clock
from configs.world.desk import zone_or_home

SPREAD = timedelta(minutes=10)
_KIND = "weekly_summary"
_HOUR, _MIDNIGHT = time(8), time()
_WEEK, _DAY = timedelta(days=7), timedelta(days=1)
_AT_ONCE = 500
_ASKED = Contact.channel == Channel.EMAIL, Contact.summary_since.is_not(None)
_IS_REACHED = Contact.verified_at.is_not(None), Contact.enabled, Contact.state == ContactState.OK


@dataclass(frozen=True, slots=True)
class SummaryWeek:
    """The week of a summary, from one Monday at 8:00 to the next, by the clock of a time zone."""

    monday: date  # on which it is due
    since: datetime
    until: datetime  # when it is due
    ends: datetime  # the end of Tuesday: what waited longer, in quiet hours say, is not sent


def find_week(zone: ZoneInfo, now: datetime) -> SummaryWeek | None:
    """Return the week whose summary is due in a time zone; None before 8:00 and on other days than Monday."""
    today = now.astimezone(zone).date()
    until = _instant(today, _HOUR, zone)
    if today.isoweekday() != 1 or until > now:
        return None
    since, ends = _instant(today - _WEEK, _HOUR, zone), _instant(today + 2 * _DAY, _MIDNIGHT, zone)
    return SummaryWeek(today, since, until, ends)


def _instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)


def write_due_summaries(session: Session) -> list[UUID]:
    """Write some of the summaries that are due; return the notifications to nudge, none when all are written."""
    now = clock()
    weeks = _find_weeks(session, now)
    if not weeks:
        return []
    readers: dict[SummaryWeek, list[Any]] = defaultdict(list)
    for row in session.execute(_select_due(weeks, now)):
        readers[weeks[row.time_zone]].append(row)
    return [each for week, rows in readers.items() for each in _write(session, week, rows)]


def _find_weeks(session: Session, now: datetime) -> dict[str, SummaryWeek]:
    """Return the weeks whose summaries are due, by the names of the time zones of those who asked for one."""
    zones = sa.select(User.time_zone).join(Contact, Contact.user_id == User.id).where(*_ASKED).distinct()
    found = {name: find_week(zone_or_home(name), now) for name in session.scalars(zones)}
    return {name: week for name, week in found.items() if week}


def _select_due(weeks: Mapping[str, SummaryWeek], now: datetime) -> sa.Select[*tuple[Any, ...]]:
    """Return the query for readers whose time has come, and who have an alert that waits and a plan that runs."""
    columns = (
        sa.column("zone", sa.Text),
        sa.column("due", sa.DateTime(timezone=True)),
        sa.column("monday", sa.Text),
    )
    given = [(name, week.until, week.monday.isoformat()) for name, week in weeks.items()]
    due = sa.values(*columns, name="weeks").data(given)
    user = sa.cast(User.id, sa.Text)
    later = sa.func.mod(sa.func.hashtext(user).op("&")(0x7FFFFFFF), round(SPREAD.total_seconds()))
    key = sa.func.concat(f"{_KIND}:", user, ":", due.c.monday, f":{Channel.EMAIL.value}")
    waits = sa.exists().where(Alert.user_id == User.id, Alert.enabled, Alert.closed_at.is_(None))
    is_entitled = sa.exists().where(Grant.user_id == User.id, Grant.starts_at <= now, Grant.ends_at > now)
    return (
        sa.select(User.id, User.language, User.time_zone, Contact.id.label("contact_id"))
        .join(Contact, Contact.user_id == User.id)
        .join(due, due.c.zone == User.time_zone)
        .where(*_ASKED, *_IS_REACHED, Contact.summary_since < due.c.due)
        .where(due.c.due + sa.func.make_interval(0, 0, 0, 0, 0, 0, later) <= now)
        .where(waits, is_entitled, ~sa.exists().where(Notification.dedupe_key == key))
        .order_by(due.c.due, User.id)
        .limit(_AT_ONCE)
    )


def _write(session: Session, week: SummaryWeek, readers: Sequence[Any]) -> list[UUID]:
    facts = read_facts(session, [row.id for row in readers], week.since, week.until)
    of_all = {"monday": week.monday.isoformat(), "ends": week.ends.isoformat()}
    messages = [
        {
            "user_id": row.id,
            "contact_id": row.contact_id,
            "language": row.language,
            "params": of_all | facts[row.id],
            "dedupe_key": f"{_KIND}:{row.id}:{week.monday}:{Channel.EMAIL.value}",
        }
        for row in readers
        if row.id in facts
    ]
    return notifier.write_to_contacts(session, _KIND, Channel.EMAIL, messages)
