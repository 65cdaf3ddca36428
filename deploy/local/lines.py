"""What the feed says of each event: a check, a detection, a notification, a turn of the watching."""

from datetime import datetime, timedelta

from rich.text import Text

from api.models.check import Check
from api.models.notification import Notification, State
from api.models.slot import Detection, SlotRow
from configs.desk import WatchLevel, zone_of
from configs.formatting import format_duration, pluralize
from configs.outcome import Outcome
from configs.prefecture import desks
from deploy.local.feed import Event
from deploy.local.layout import Line, time_of
from deploy.local.watch_events import Gone, OutageBegan, OutageEnded, Rest, Turn, WatchStop

_HOME = "Europe/Paris"
_COLOURS = {
    Outcome.SLOTS: "bold green", Outcome.NO_SLOTS: "dim", Outcome.CAPTCHA: "magenta", Outcome.BLOCKED: "red",
    Outcome.RATE_LIMITED: "red", Outcome.OVERLOADED: "yellow", Outcome.MAINTENANCE: "yellow",
    Outcome.CLOSED: "red", Outcome.UNREACHABLE: "red", Outcome.UNREADABLE: "red",
}  # fmt: skip
_ENDED = (State.FAILED, State.EXPIRED, State.SKIPPED, State.BOUNCED)


def line_of(event: Event, width: int) -> Text:
    """Return an event's line; it has at most `width` columns where 67 are there at all."""
    return _line(event).fitted(width)


def _line(event: Event) -> Line:
    if isinstance(event, Check):
        return _check(event)
    if isinstance(event, Detection):
        return _detection(event)
    return _notification(event) if isinstance(event, Notification) else _turn(event)


def _check(row: Check) -> Line:
    quiet = "dim" if row.outcome is Outcome.NO_SLOTS else ""
    styles = quiet or "cyan", quiet, _COLOURS[row.outcome]
    took = f"{row.milliseconds} ms"
    usual = row.outcome is Outcome.CAPTCHA and _always_asks(row.desk_id)
    said = "as always: its slots stand behind a captcha" if usual else row.evidence
    return Line(time_of(row.started_at), "check", row.desk_id, row.outcome.value, took, said, styles)


def _detection(row: Detection) -> Line:
    first = f"first {when(row.slots[0])}" if row.slots else ""
    styles = "bold black on green", "bold green", "bold green"
    took = _between(row.seen_at, row.committed_at)
    number = pluralize(len(row.slots), "slot")
    return Line(time_of(row.committed_at), "DETECTION", row.desk_id, number, took, first, styles)


def _notification(row: Notification) -> Line:
    style = "bold red" if row.state in _ENDED else "bold blue"
    at = row.accepted_at or row.failed_at or row.created_at
    took = _between(row.seen_at, row.accepted_at)
    rest = row.reason or ("after the page was read" if took else "")
    where = f"{row.channel.value} {row.kind}"
    return Line(time_of(at), "notification", where, row.state.value, took, rest, (style, "bold", style))


def _turn(turn: Turn) -> Line:
    at, red = time_of(turn.at), ("bold red", "red", "red")
    match turn:
        case Rest(_, host, until, reason):
            return Line(
                at, "REST", host, f"to {time_of(until)}", format_duration(until - turn.at), reason, red
            )
        case WatchStop(_, host, reason):
            return Line(at, "STOPPED", host, "by operator", "", reason, red)
        case OutageBegan(_, desk, reason):
            return Line(at, "OUTAGE", desk, reason, "", "not watched from now on", red)
        case OutageEnded(_, desk, reason, began):
            styles = "bold green", "green", ""
            return Line(
                at, "watched", desk, "again", format_duration(turn.at - began), f"it was {reason}", styles
            )
        case Gone(_, desk, reason, number, opened):
            styles = "dim", "", ""
            return Line(
                at, "gone", desk, pluralize(number, "slot"), format_duration(turn.at - opened), reason, styles
            )


def _always_asks(desk_id: str) -> bool:
    desk = desks().get(desk_id)
    return desk is not None and desk.watch is WatchLevel.PRESENCE


def when(slot: SlotRow) -> str:
    """Return a slot's moment in its desk's own time (`Tue 24 Nov 09:00`), or as the page gave it."""
    if slot.starts_at is None:
        return slot.moment
    desk = desks().get(slot.desk_id)
    return f"{slot.starts_at.astimezone(zone_of(desk.time_zone if desk else _HOME)):%a %d %b %H:%M}"


def _between(begin: datetime | None, end: datetime | None) -> str:
    return f"{(end - begin) / timedelta(milliseconds=1):.0f} ms" if begin and end else ""
