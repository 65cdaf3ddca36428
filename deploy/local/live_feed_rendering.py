"""Lines of the live feed: time, what, where, its word, its milliseconds, the rest where there is room."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.text import Text

from api.models.check import Check
from api.models.notification import Notification, State
from api.models.slot import Detection, SlotRow
from configs.desk import WatchLevel, zone_of
from configs.formatting import format_duration, pluralize
from configs.outcome import Outcome
from configs.prefecture import desks
from deploy.local.live_feed_events import (
    Event,
    HostRest,
    OutageBegan,
    OutageEnded,
    SlotsGone,
    WatchEvent,
    WatchStop,
)

_TIME, _WHAT, _WORD, _TOOK = 8, 12, 12, 8
_FIXED = _TIME + 1 + _WHAT + 1 + 1 + _WORD + 1 + _TOOK
_WHERE = (24, 49)  # columns at least and at most: the longest id of a desk has 49
_REST = 12  # columns; a shorter text is no help
_HOME = "Europe/Paris"
_COLOURS = {
    Outcome.SLOTS: "bold green", Outcome.NO_SLOTS: "dim", Outcome.CAPTCHA: "magenta", Outcome.BLOCKED: "red",
    Outcome.RATE_LIMITED: "red", Outcome.OVERLOADED: "yellow", Outcome.MAINTENANCE: "yellow",
    Outcome.CLOSED: "red", Outcome.UNREACHABLE: "red", Outcome.UNREADABLE: "red",
}  # fmt: skip
_ENDED = (State.FAILED, State.EXPIRED, State.SKIPPED, State.BOUNCED)


@dataclass(frozen=True)
class Line:
    """The texts of one line, and the styles of its first words, of its where and of its word."""

    time: str
    what: str
    where: str
    word: str
    took: str
    rest: str
    styles: tuple[str, str, str]

    def render(self, width: int) -> Text:
        """Return the line in at most `width` columns, where 67 are there at all."""
        columns = min(max(width - _FIXED, _WHERE[0]), _WHERE[1])
        line = Text.assemble(
            (f"{self.time:<{_TIME}} ", "dim"), (f"{self.what:<{_WHAT}}", self.styles[0]), " ",
            (_cut(self.where, columns).ljust(columns), self.styles[1]), " ",
            (f"{self.word:<{_WORD}}", self.styles[2]), f" {self.took:>{_TOOK}}",
        )  # fmt: skip
        left = width - _FIXED - columns - 2
        return line.append(f"  {_cut(self.rest, left)}", "dim") if self.rest and left >= _REST else line


def heading(width: int) -> Text:
    """Return the line above the feed's columns."""
    plain = ("", "", "")
    line = Line("time", "what", "where", "outcome", "ms", "why, or since the page was read", plain)
    text = line.render(width)
    text.stylize("dim")
    return text


def format_time(at: datetime) -> str:
    """Return an instant as the first column shows it."""
    return f"{at.astimezone():%H:%M:%S}"


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 1]}…"


def render_event(event: Event, width: int) -> Text:
    """Return an event's line; it has at most `width` columns where 67 are there at all."""
    return _line(event).render(width)


def _line(event: Event) -> Line:
    if isinstance(event, Check):
        return _check(event)
    if isinstance(event, Detection):
        return _detection(event)
    return _notification(event) if isinstance(event, Notification) else _watch_event(event)


def _check(row: Check) -> Line:
    quiet = "dim" if row.outcome is Outcome.NO_SLOTS else ""
    styles = quiet or "cyan", quiet, _COLOURS[row.outcome]
    took = f"{row.milliseconds} ms"
    usual = row.outcome is Outcome.CAPTCHA and _always_asks(row.desk_id)
    said = "as always: its slots stand behind a captcha" if usual else row.evidence
    return Line(format_time(row.started_at), "check", row.desk_id, row.outcome.value, took, said, styles)


def _detection(row: Detection) -> Line:
    first = f"first {format_moment(row.slots[0])}" if row.slots else ""
    styles = "bold black on green", "bold green", "bold green"
    took = _between(row.seen_at, row.committed_at)
    number = pluralize(len(row.slots), "slot")
    return Line(format_time(row.committed_at), "DETECTION", row.desk_id, number, took, first, styles)


def _notification(row: Notification) -> Line:
    style = "bold red" if row.state in _ENDED else "bold blue"
    at = row.accepted_at or row.failed_at or row.created_at
    took = _between(row.seen_at, row.accepted_at)
    rest = row.reason or ("after the page was read" if took else "")
    where = f"{row.channel.value} {row.kind}"
    return Line(format_time(at), "notification", where, row.state.value, took, rest, (style, "bold", style))


def _watch_event(event: WatchEvent) -> Line:
    at, red = format_time(event.at), ("bold red", "red", "red")
    match event:
        case HostRest(_, host, until, reason):
            return Line(
                at, "REST", host, f"to {format_time(until)}", format_duration(until - event.at), reason, red
            )
        case WatchStop(_, host, reason):
            return Line(at, "STOPPED", host, "by operator", "", reason, red)
        case OutageBegan(_, desk, reason):
            return Line(at, "OUTAGE", desk, reason, "", "not watched from now on", red)
        case OutageEnded(_, desk, reason, began):
            styles = "bold green", "green", ""
            return Line(
                at, "watched", desk, "again", format_duration(event.at - began), f"it was {reason}", styles
            )
        case SlotsGone(_, desk, reason, number, opened):
            styles = "dim", "", ""
            return Line(
                at,
                "gone",
                desk,
                pluralize(number, "slot"),
                format_duration(event.at - opened),
                reason,
                styles,
            )


def _always_asks(desk_id: str) -> bool:
    desk = desks().get(desk_id)
    return desk is not None and desk.watch is WatchLevel.PRESENCE


def format_moment(slot: SlotRow) -> str:
    """Return a slot's moment in its desk's own time (`Tue 24 Nov 09:00`), or as the page gave it."""
    if slot.starts_at is None:
        return slot.moment
    desk = desks().get(slot.desk_id)
    return f"{slot.starts_at.astimezone(zone_of(desk.time_zone if desk else _HOME)):%a %d %b %H:%M}"


def _between(begin: datetime | None, end: datetime | None) -> str:
    return f"{(end - begin) / timedelta(milliseconds=1):.0f} ms" if begin and end else ""
