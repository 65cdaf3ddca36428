"""The summary of the week: what happened at the desks of each alert, to users who asked for it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from babel.dates import format_date, format_timedelta
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.base import is_any_of
from api.models.notification import State
from api.models.user import Channel, Contact
from configs.languages import FRENCH
from configs.message_groups import MessageGroup
from configs.prefecture import desks
from notifier.content.desk_location import DeskLocation, location_of, name_city
from notifier.content.desk_message_content import since_values, skip_unreachable
from notifier.content.message_links import account_page
from notifier.message_kind_base import ClaimedRow, MessageKind, Seen, Skip, TemplateContext

_WEEK = timedelta(days=7)
_LONGEST_NAME = 120  # characters of an alert's name


class WeeklySummary(MessageKind):
    """Params: `monday`, `ends` (ISO 8601; not sent from then on), `alerts`, `more` (api/alerts/weekly_facts.py)."""

    group = MessageGroup.SUMMARY

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is an e-mail address that can be reached."""
        return contact.channel is Channel.EMAIL and contact.reachable

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return what happened, as far as its alerts still wait."""
        if skip := skip_unreachable(contact):
            return skip
        if now >= datetime.fromisoformat(row.params["ends"]):
            return Skip(State.EXPIRED, "the week is over")
        found = _read_alerts(session, [row])
        told = [each for each in row.params["alerts"] if _is_open(found.get(UUID(each["alert"])))]
        if not any(found[UUID(each["alert"])].enabled for each in told):
            return Skip(State.SKIPPED, "alert stopped")
        return _fill(row, told, found)

    def restore(self, session: Session, row: ClaimedRow, contact: Contact) -> TemplateContext | Skip:
        """Return what had happened."""
        return self.restore_all(session, [(row, contact)])[0]

    def restore_all(self, session: Session, rows: Seen) -> list[TemplateContext | Skip]:
        """Return what had happened in several weeks."""
        found = _read_alerts(session, [row for row, _ in rows])
        return [_fill(row, row.params["alerts"], found) for row, _ in rows]


def _read_alerts(session: Session, rows: Sequence[ClaimedRow]) -> dict[UUID, Any]:
    ids = [UUID(each["alert"]) for row in rows for each in row.params["alerts"]]
    query = sa.select(Alert.id, Alert.name, Alert.enabled, Alert.awaits_watch, Alert.closed_at)
    return {row.id: row for row in session.execute(query.where(is_any_of(Alert.id, ids)))}


def _is_open(alert: Any) -> bool:
    return alert is not None and alert.closed_at is None and (alert.enabled or alert.awaits_watch)


def _fill(row: ClaimedRow, told: Sequence[Mapping[str, Any]], found: Mapping[UUID, Any]) -> TemplateContext:
    url, monday = account_page("dashboard"), date.fromisoformat(row.params["monday"])
    alerts = [_describe_alert(each, found.get(UUID(each["alert"])), row.language) for each in told]
    values = {
        "url": url,
        "from_day": _write_day(monday - _WEEK, row.language),
        "to_day": _write_day(monday, row.language),
        "alerts": alerts,
        "more": row.params["more"],
        "quiet": _sum_up_quiet_week(told, row.language) if not row.params["more"] else None,
    }
    return TemplateContext(values, url)


def _describe_alert(week: Mapping[str, Any], alert: Any, language: str) -> dict[str, Any]:
    home = location_of("", week["prefecture"])
    shown = [_describe_desk(each, home, language) for each in week["desks"] if each["desk"] in desks()]
    return {
        "where": f"{home.name} ({home.department})",
        "name": ((alert and alert.name) or "")[:_LONGEST_NAME],
        "city": name_city(home.zone, language),
        "sent": week["sent"],
        "desks": shown,
        "more": week["more"],
        "advice": _choose_advice(week),
    }


def _choose_advice(week: Mapping[str, Any]) -> str:
    """Return what its owner should do: `look` where nothing is watched, `book` or `widen` after openings, `wait`."""
    if all(each["trouble"] or each["blind"] for each in week["desks"]):
        return "look"
    if week["sent"]:
        return "book"
    return "widen" if any(each["openings"] for each in week["desks"]) else "wait"


def _describe_desk(week: Mapping[str, Any], home: DeskLocation, language: str) -> dict[str, Any]:
    desk = desks()[week["desk"]]
    day, hour = _write_moment(week["proven"], home, language)
    since_day, since_hour = _write_moment(week["since"], home, language)
    every = timedelta(seconds=week["every"] or 0)
    return {
        "label": desk.message_label,
        "page": desk.url,
        "openings": week["openings"],
        "blind": week["blind"],
        "trouble": week["trouble"] or "",
        "since_day": since_day,
        "since_hour": since_hour,
        "proven_day": day,
        "proven_hour": hour,
        "every": format_timedelta(every, threshold=2, locale=language) if every else "",
    }


def _sum_up_quiet_week(told: Sequence[Mapping[str, Any]], language: str) -> dict[str, Any] | None:
    """Return the one line of a week in which nothing opened while all desks were watched; None of any other week."""
    seen = {each["desk"]: (each, week) for week in told for each in week["desks"]}
    happened = any(week["sent"] or week["more"] or not week["desks"] for week in told)
    if happened or not all(_is_quiet(each) for each, _ in seen.values()):
        return None
    first, week = min(seen.values(), key=lambda pair: datetime.fromisoformat(pair[0]["proven"]))
    home = location_of("", week["prefecture"])
    day, hour = _write_moment(first["proven"], home, language)
    return {
        "count": len(seen), "proven_day": day, "proven_hour": hour, "city": name_city(home.zone, language),
    }  # fmt: skip


def _is_quiet(desk: Mapping[str, Any]) -> bool:
    return not (desk["openings"] or desk["trouble"] or desk["blind"]) and desk["proven"] is not None


def _write_moment(at: str | None, home: DeskLocation, language: str) -> tuple[str, str]:
    if at is None:
        return "", ""
    written = since_values({"since": at}, home.zone, language)
    return written["since_day"], written["since_hour"]


def _write_day(day: date, language: str) -> str:
    """Return `1er décembre 2026`: in French, Babel has no ordinal for the first of a month."""
    written = format_date(day, "long", locale=language)
    return written.replace("1 ", "1er ", 1) if language == FRENCH and day.day == 1 else written
