"""Messages to subscribers besides slot alerts: the watching and reports of desks, reminders, the week's summary."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from babel.dates import format_timedelta
from sqlalchemy.orm import load_only

from api.models.alert import Alert
from api.models.appointment import Appointment, Step
from api.models.base import is_any_of
from api.models.candidate import Candidate, CandidateState
from api.models.incident import Incident
from api.models.notification import Notification, State
from api.models.report import LOOK_REQUESTED
from api.models.watchability import is_desk_reported
from configs.ground.message_groups import MessageGroup
from configs.ground.signing import MoveReminders, ReportLook, TellHowItWent, write_link
from configs.ground.text import FRENCH, write_time
from configs.world.prefecture import desks
from notifier.content.desk_location import (
    HOME,
    DeskLocation,
    desk_infos,
    list_spots,
    location_of,
    name_city,
    since_values,
    write_day,
    write_moment,
)
from notifier.content.message_kind_base import (
    ANY_MAIL,
    REACHABLE,
    REACHABLE_MAIL,
    Check,
    DueMessage,
    MessageKind,
    Recipients,
    Skip,
    TemplateContext,
    Values,
    account_page,
)

_COLUMNS = load_only(
    Appointment.at,
    Appointment.place,
    Appointment.first_reminder_at,
    Appointment.last_reminder_at,
    Appointment.answered_at,
)
_OVER = Skip(State.EXPIRED, "the appointment is over")
_LOOK_OF_USE = timedelta(minutes=10)  # after one person saw slots
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_LONGEST_NAME = 120  # characters of an alert's name
_ACCEPTED = (State.SENT, State.DELIVERED, State.NO_RECEIPT)


def _check_outage(due: DueMessage) -> Skip | None:
    incident = due.session.get(Incident, int(due.params["incident"]))
    is_over = incident is None or incident.ends_at is not None
    return Skip(State.EXPIRED, "watched again") if is_over else None


def _check_told(due: DueMessage) -> Skip | None:
    """Skip a contact that never had the notice of the trouble."""
    had_notice = sa.exists().where(
        Notification.contact_id == due.contact.id,
        Notification.kind == "desk_unwatched",
        Notification.params["incident"].astext == due.params["incident"],
        Notification.state.in_(_ACCEPTED),
    )
    return (
        None if due.session.scalar(sa.select(had_notice)) else Skip(State.SKIPPED, "the trouble was not told")
    )


def _list_outage(due: DueMessage) -> TemplateContext:
    found = [desks()[each] for each in due.params["desks"] if each in desks()]
    zone = found[0].zone if found else HOME
    since = since_values(due.params["since"], zone, due.language)
    named = {"reason": due.params["reason"], "city": name_city(zone, due.language)}
    return TemplateContext(list_spots(due.params["desks"]) | named | since)


def _check_saved_alert(due: DueMessage) -> Skip | None:
    alert = due.session.get(Alert, UUID(due.params["alert"]))
    if alert is None or alert.closed_at is not None:
        return Skip(State.SKIPPED, "alert stopped")
    return Skip(State.SKIPPED, "alert waits already") if alert.enabled else None


def _list_desks(page: str, due: DueMessage) -> TemplateContext:
    url = due.find_page(page.format(**due.params))
    return TemplateContext(list_spots(due.params["desks"]) | {"url": url})


def _say_decision(due: DueMessage) -> TemplateContext | Skip:
    """Return what became of a booking page that the reader gave."""
    query = sa.select(Candidate.prefecture_id, Candidate.url, Candidate.state)
    found = due.session.execute(query.where(Candidate.id == UUID(due.params["candidate"]))).one_or_none()
    if found is None or found.state is CandidateState.OPEN:
        return Skip(State.EXPIRED, "not decided any more")
    place = found.prefecture_id or ""
    refused = found.state is CandidateState.REFUSED
    values = {"where": location_of("", place).where, "page": found.url, "is_refused": refused}
    return TemplateContext(values | {"url": account_page(f"departements/{place}")})


def _name_release(due: DueMessage) -> TemplateContext | Skip:
    """Return where and when slots are published that we cannot see, in the desk's own time, unless it is over."""
    desk = desks().get(due.params["desk"])
    if desk is None or not desk.schedulable:
        return Skip(State.SKIPPED, "the desk is not watched any more")
    begins, ends = (
        datetime.fromisoformat(at).astimezone(desk.zone) if (at := due.params[each]) else None
        for each in ("begins", "ends")
    )
    if begins is None or (ends or begins) <= due.now:
        return Skip(State.EXPIRED, "published already")
    (spot,) = desk_infos([desk.id])
    words = {
        "city": name_city(desk.zone, due.language),
        "day": write_day(begins, due.language, "EEEE d MMMM" if due.language == FRENCH else "full"),
        "begins": write_time(begins, "short", locale=due.language),
        "ends": ends and write_time(ends, "short", locale=due.language),
        "is_tomorrow": begins.date() - due.now.astimezone(desk.zone).date() == _DAY,
    }
    return TemplateContext({"spot": spot, **words}, desk.url)


def _kind(values: Values, check: Check | None = None, to: Recipients = REACHABLE) -> MessageKind:
    return MessageKind(to=to, check=check, values=values, group=MessageGroup.DESK, notice_link="/dashboard")


def _find_begin(params: Mapping[str, Any], name: str = "at") -> datetime | None:
    """Return when the appointment or release begins; None where a row, of an older version say, does not name it."""
    try:
        return datetime.fromisoformat(params[name])
    except (KeyError, TypeError, ValueError):
        return None


def _check_appointment(due: DueMessage) -> Skip | None:
    """Skip a reminder that is over or was moved. Params: `step` (first, last), `due` (ISO 8601)."""
    found = _read_appointment(due)
    if found is None or found.at is None or found.at <= due.now:
        return _OVER
    is_due = found.get_reminder(Step(due.params["step"])) == datetime.fromisoformat(due.params["due"])
    return None if is_due else Skip(State.SKIPPED, "the reminder was moved")


def _read_appointment(due: DueMessage) -> Appointment | None:
    return due.session.get(Appointment, UUID(due.params["appointment"]), options=[_COLUMNS])


def _describe_appointment(due: DueMessage) -> TemplateContext | Skip:
    found = _read_appointment(due)
    if found is None or found.at is None:
        return _OVER
    home = location_of("", due.params["prefecture"])
    local = found.at.astimezone(home.zone)
    values = {
        "where": home.where,
        "place": found.place or "",
        "day": write_day(local, due.language, "full"),
        "hour": write_time(local, "short", locale=due.language),
        "url": write_link(MoveReminders(found.id)),
    }
    return TemplateContext(values)


def _check_question(due: DueMessage) -> Skip | None:
    found = _read_appointment(due)
    if found is None or found.answered_at:
        return Skip(State.EXPIRED, "answered, or no appointment any more")
    return None


def _ask_how_it_went(due: DueMessage) -> TemplateContext:
    appointment_id = UUID(due.params["appointment"])
    urls = {
        name: write_link(TellHowItWent(appointment_id, went_well))
        for name, went_well in (("yes_url", True), ("no_url", False))
    }
    return TemplateContext(urls, urls["yes_url"])


def _sum_up(due: DueMessage) -> TemplateContext | Skip:
    """Return what happened at the desks of the alerts that still wait.

    Params: `monday`, `ends` (ISO 8601; not sent from then on), `alerts`, `more` (weekly_summaries.py of api).
    """
    if due.now >= datetime.fromisoformat(due.params["ends"]):
        return Skip(State.EXPIRED, "the week is over")
    ids = [UUID(each["alert"]) for each in due.params["alerts"]]
    query = sa.select(Alert.id, Alert.name, Alert.enabled).where(
        is_any_of(Alert.id, ids), Alert.closed_at.is_(None), sa.or_(Alert.enabled, Alert.awaits_watch)
    )
    found = {str(row.id): row for row in due.session.execute(query)}
    told = [each for each in due.params["alerts"] if each["alert"] in found]
    if not any(found[each["alert"]].enabled for each in told):
        return Skip(State.SKIPPED, "alert stopped")
    monday = date.fromisoformat(due.params["monday"])
    values = {
        "url": due.find_page("dashboard"),
        "from_day": write_day(monday - _WEEK, due.language),
        "to_day": write_day(monday, due.language),
        "alerts": [_describe_alert(each, found[each["alert"]], due.language) for each in told],
        "more": due.params["more"],
        "quiet": _sum_up_quiet_week(told, due.language) if not due.params["more"] else None,
    }
    return TemplateContext(values)


def _describe_alert(week: Mapping[str, Any], alert: Any, language: str) -> dict[str, Any]:
    home = location_of("", week["prefecture"])
    shown = [_describe_desk(each, home, language) for each in week["desks"] if each["desk"] in desks()]
    return {
        **week,
        "where": home.where,
        "name": (alert.name or "")[:_LONGEST_NAME],
        "city": name_city(home.zone, language),
        "desks": shown,
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
        **week,
        "label": desk.message_label,
        "page": desk.url,
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
    loud = ("openings", "trouble", "blind")
    if happened or any(each["proven"] is None or any(each[it] for it in loud) for each, _ in seen.values()):
        return None
    first, week = min(seen.values(), key=lambda pair: datetime.fromisoformat(pair[0]["proven"]))
    home = location_of("", week["prefecture"])
    day, hour = _write_moment(first["proven"], home, language)
    return {
        "count": len(seen), "proven_day": day, "proven_hour": hour, "city": name_city(home.zone, language),
    }  # fmt: skip


def _write_moment(at: str | None, home: DeskLocation, language: str) -> tuple[str, str]:
    return write_moment(at, home.zone, language) if at else ("", "")


def _name_sight(due: DueMessage) -> TemplateContext | Skip:
    """Return where and when one person saw slots. Params: `desk_id`, `seen` (ISO 8601)."""
    desk, seen_at = desks().get(due.params["desk_id"]), datetime.fromisoformat(due.params["seen"])
    if desk is None or not is_desk_reported(due.session, desk.id):
        return Skip(State.SKIPPED, "the desk is not watched any more")
    if due.now - seen_at > _LOOK_OF_USE:
        return Skip(State.EXPIRED, "slots not seen lately")
    (spot,) = desk_infos([desk.id])
    pattern = "H 'h' mm" if due.language == FRENCH else "short"
    hour = write_time(seen_at, pattern, locale=due.language, tzinfo=desk.zone)
    values = {
        "spot": spot,
        "hour": hour,
        "city": name_city(desk.zone, due.language),
        "look_page": write_link(ReportLook(due.row.id)),
    }
    return TemplateContext(values, desk.url)


def _say_reports_decision(due: DueMessage) -> TemplateContext:
    """Return why an operator ended the reader's reports, and where to object. Params: `reason`; None: resumed."""
    reason = due.params["reason"]
    url = account_page("contact" if reason else "regards")
    return TemplateContext({"reason": reason, "url": url})


KINDS = {
    "desk_unwatched": _kind(_list_outage, _check_outage),
    "desk_watched": _kind(_list_outage, _check_told),
    # For an alert that was saved while none of its desks could be watched.
    "desk_watchable": _kind(partial(_list_desks, "dashboard"), _check_saved_alert),
    # For the same, once: people report what they see at a desk of it, behind a captcha.
    "desk_reported": _kind(partial(_list_desks, "alertes/{alert}"), _check_saved_alert),
    # To who gave a candidate's address, once.
    "page_decided": _kind(_say_decision, to=REACHABLE_MAIL),
    "release_soon": MessageKind(
        to=REACHABLE,
        values=_name_release,
        group=MessageGroup.REMINDERS,
        notice_link="/dashboard",
        chats_wait=True,
        find_end_of_use=partial(_find_begin, name="begins"),
    ),
    "appointment_soon": MessageKind(
        to=REACHABLE,
        check=_check_appointment,
        values=_describe_appointment,
        group=MessageGroup.REMINDERS,
        find_end_of_use=_find_begin,
    ),
    # To users who agreed to the question.
    "how_it_went": MessageKind(
        to=REACHABLE_MAIL, check=_check_question, values=_ask_how_it_went, group=MessageGroup.REMINDERS
    ),
    "weekly_summary": MessageKind(to=REACHABLE_MAIL, values=_sum_up, group=MessageGroup.SUMMARY),
    "reports_decided": MessageKind(to=ANY_MAIL, values=_say_reports_decision, notice_link="/contact"),
    LOOK_REQUESTED: _kind(_name_sight),
}
