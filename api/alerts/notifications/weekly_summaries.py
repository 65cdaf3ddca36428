"""The weekly summary: who asked for one, and when it is due by the clock of their time zone.

It is due on Mondays at 8:00. Summaries that are due at once leave one after the other within SPREAD. Where no job ran,
they are written later on that Monday, and not after it. The dedupe key names the user and the Monday, so that a change
of the time zone brings no second one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

import notifier
from api.alerts.targets import find_desks, get_prefecture_id
from api.ground.messages import ask_deliver_later
from api.models.alert import Alert
from api.models.base import is_any_of, write_array
from api.models.desk import DeskState, Outage
from api.models.discovery import is_page_lost
from api.models.notification import Match, Notification
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.ground.clock import clock
from configs.world.desk import Desk, zone_or_home

MOST_ALERTS, MOST_DESKS = 20, 10  # that a summary names; it counts the others
_SILENT, _INTERVALS = (
    timedelta(hours=1),
    5,
)  # without a proven answer: the longer of them counts as not watched
# A slot alert that waited in quiet hours or for a provider left some days after its match.
_WAITED = timedelta(days=7)

_OPENINGS = sa.text("""
SELECT p.desk_id, p.since, count(*) AS number
FROM unnest(CAST(:desks AS text[]), CAST(:since AS timestamptz[])) AS p(desk_id, since)
JOIN detections d ON d.desk_id = p.desk_id AND d.seen_at >= p.since AND d.seen_at < :until
  AND d.source = 'check'
GROUP BY p.desk_id, p.since
""")
SPREAD = timedelta(minutes=10)
_KIND = "weekly_summary"
_HOUR, _MIDNIGHT = time(8), time()
_WEEK, _DAY = timedelta(days=7), timedelta(days=1)
_AT_ONCE = 500
_ASKED = Contact.channel == Channel.EMAIL, Contact.summary_since.is_not(None)
_IS_REACHED = Contact.verified_at.is_not(None), Contact.enabled, Contact.state == ContactState.OK


# A desk's row; why it is not watched (the reason of an outage, or `lost`), and since when
_WatchState = tuple[DeskState, str | None, datetime | None]


@dataclass(frozen=True, slots=True)
class WeekOfAlert:
    """An alert, its desks, and since when its week counts: not before it waited for them."""

    alert: Alert
    desks: Sequence[Desk]
    since: datetime


def read_facts(
    session: Session, user_ids: Collection[UUID], since: datetime, until: datetime
) -> dict[UUID, dict[str, Any]]:
    """Return by user the values of a message: `alerts`, and how many `more` there are. Users without any are left out.

    An alert that is kept until one of its desks can be watched is among them, after those that wait.
    """
    weeks = [
        WeekOfAlert(alert, _choose_desks(alert), max(since, alert.watched_since))
        for alert in session.scalars(_select_alerts(user_ids))
        if alert.targets
    ]
    states = _read_states(session, {desk.id for week in weeks for desk in week.desks})
    openings = _count_openings(session, weeks, until)
    sent = _count_sent(session, [week.alert.id for week in weeks], since, until)
    found: dict[UUID, dict[str, Any]] = {}
    for week in weeks:
        mine = found.setdefault(week.alert.user_id, {"alerts": [], "more": 0})
        if len(mine["alerts"]) == MOST_ALERTS:
            mine["more"] += 1
            continue
        desks = [
            _describe_desk(desk, states.get(desk.id, (DeskState(), None, None)), week, openings)
            for desk in week.desks[:MOST_DESKS]
        ]
        mine["alerts"].append({
            "alert": str(week.alert.id), "prefecture": get_prefecture_id(week.alert.targets),
            "sent": sent.get(week.alert.id, 0), "desks": desks, "more": len(week.desks) - len(desks),
        })  # fmt: skip
    return found


def _select_alerts(user_ids: Collection[UUID]) -> sa.Select[Alert]:
    return (
        sa.select(Alert)
        .options(selectinload(Alert.targets))
        .where(is_any_of(Alert.user_id, user_ids), Alert.closed_at.is_(None))
        .where(Alert.enabled | Alert.awaits_watch)
        .order_by(Alert.awaits_watch, Alert.created_at, Alert.id)
    )


def _choose_desks(alert: Alert) -> list[Desk]:
    """Return the desks that are watched, and those that the alert names; where none is watched, all."""
    every = find_desks(alert.targets)
    named = {target.desk_id for target in alert.targets}
    return [each for each in every if each.schedulable or each.id in named] or every


def _read_states(session: Session, desk_ids: Iterable[str]) -> dict[str, _WatchState]:
    query = (
        sa.select(DeskState, is_page_lost().label("is_lost"), Outage.reason, Outage.starts_at)
        .outerjoin(Outage, (Outage.desk_id == DeskState.id) & Outage.ends_at.is_(None))
        .where(DeskState.id.in_(sorted(desk_ids)))
    )
    return {
        state.id: (state, reason.value if reason else "lost" if is_lost else None, since)
        for state, is_lost, reason, since in session.execute(query)
    }


def _count_openings(
    session: Session, weeks: Iterable[WeekOfAlert], until: datetime
) -> dict[tuple[str, datetime], int]:
    """Return how often slots opened, by desk and beginning."""
    wanted = {(desk.id, week.since) for week in weeks for desk in week.desks}
    arrays = {
        "desks": write_array(desk_id for desk_id, _ in wanted),
        "since": write_array(since for _, since in wanted),
    }
    rows = session.execute(_OPENINGS, arrays | {"until": until})
    return {(row.desk_id, row.since): row.number for row in rows}


def _count_sent(
    session: Session, alert_ids: Collection[UUID], since: datetime, until: datetime
) -> Mapping[UUID, int]:
    """Return by alert of how many openings its user was told; one that several channels told counts once."""
    query = (
        sa.select(Match.alert_id, sa.func.count(Match.detection_id.distinct()))
        .join(Notification, Notification.announcement_id == Match.announcement_id)
        .where(is_any_of(Match.alert_id, alert_ids), Match.decided_at >= since - _WAITED)
        .where(Notification.accepted_at >= since, Notification.accepted_at < until)
        .group_by(Match.alert_id)
    )
    return dict(session.execute(query).all())


def _describe_desk(
    desk: Desk, known: _WatchState, week: WeekOfAlert, openings: Mapping[tuple[str, datetime], int]
) -> dict[str, Any]:
    state, trouble = known[0], _find_trouble(desk, known, week)
    began = known[2] if trouble else None
    every = state.feasible_seconds if desk.in_rounds else state.achieved_seconds
    return {
        "desk": desk.id,
        "openings": openings.get((desk.id, week.since), 0),
        "blind": not desk.shows_slots,
        "trouble": trouble,
        "since": began.isoformat() if began else None,
        "proven": state.last_proven_at.isoformat() if state.last_proven_at else None,
        "every": round(every) if every else None,
    }


def _find_trouble(desk: Desk, known: _WatchState, week: WeekOfAlert) -> str | None:
    """Return why a desk is not watched; None where it is."""
    state, trouble, _since = known
    if trouble or not desk.schedulable:
        return trouble if desk.schedulable else "unscheduled"
    patience = max(_SILENT, timedelta(seconds=_INTERVALS * (state.feasible_seconds or 0)))
    last = max(filter(None, (state.last_proven_at, week.alert.watched_since)))
    return "silent" if desk.shows_slots and last < clock() - patience else None


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


def write_due_summaries(session: Session) -> None:
    """Write some of the summaries that are due, none when all are written."""
    now = clock()
    weeks = _find_weeks(session, now)
    if not weeks:
        return
    readers: dict[SummaryWeek, list[Any]] = defaultdict(list)
    for row in session.execute(_select_due(weeks, now)):
        readers[weeks[row.time_zone]].append(row)
    for week, rows in readers.items():
        _write(session, week, rows)


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


def _write(session: Session, week: SummaryWeek, readers: Sequence[Any]) -> None:
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
    ask_deliver_later(session, notifier.write_to_contacts(session, _KIND, Channel.EMAIL, messages))
