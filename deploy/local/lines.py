"""The lines of the live feed: time, what, where, its word, its milliseconds, and the rest where there is room."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.text import Text

from api.models.check import Check
from api.models.notification import Notification, State
from api.models.slot import Detection, SlotRow
from configs.desk import zone_of
from configs.outcome import Outcome
from configs.prefecture import desks
from deploy.local.feed import Row

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
class _Line:
    """The texts of one line, and the styles of its first words, of its where and of its word."""

    time: str
    what: str
    where: str
    word: str
    took: str
    rest: str
    styles: tuple[str, str, str]

    def fitted(self, width: int) -> Text:
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
    line = _Line("time", "what", "where", "outcome", "ms", "why, or since the page was read", plain)
    fitted = line.fitted(width)
    fitted.stylize("dim")
    return fitted


def line_of(row: Row, width: int) -> Text:
    """Return a row's line; it has at most `width` columns where 67 are there at all."""
    if isinstance(row, Check):
        return _check(row).fitted(width)
    return (_detection(row) if isinstance(row, Detection) else _notification(row)).fitted(width)


def _check(row: Check) -> _Line:
    quiet = "dim" if row.outcome is Outcome.NO_SLOTS else ""
    styles = quiet or "cyan", quiet, _COLOURS[row.outcome]
    took = f"{row.milliseconds} ms"
    return _Line(_clock(row.started_at), "check", row.desk_id, row.outcome.value, took, row.evidence, styles)


def _detection(row: Detection) -> _Line:
    count = f"{len(row.slots)} slot{'s' * (len(row.slots) != 1)}"
    first = f"first {when(row.slots[0])}" if row.slots else ""
    styles = "bold black on green", "bold green", "bold green"
    took = _between(row.seen_at, row.committed_at)
    return _Line(_clock(row.committed_at), "DETECTION", row.desk_id, count, took, first, styles)


def _notification(row: Notification) -> _Line:
    style = "bold red" if row.state in _ENDED else "bold blue"
    at = row.accepted_at or row.failed_at or row.created_at
    took = _between(row.seen_at, row.accepted_at)
    rest = row.reason or ("after the page was read" if took else "")
    where = f"{row.channel.value} {row.kind}"
    return _Line(_clock(at), "notification", where, row.state.value, took, rest, (style, "bold", style))


def when(slot: SlotRow) -> str:
    """Return a slot's moment in its desk's own time (`Tue 24 Nov 09:00`), or as the page gave it."""
    if slot.starts_at is None:
        return slot.moment
    desk = desks().get(slot.desk_id)
    return f"{slot.starts_at.astimezone(zone_of(desk.time_zone if desk else _HOME)):%a %d %b %H:%M}"


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%H:%M:%S}"


def _between(begin: datetime | None, end: datetime | None) -> str:
    return f"{(end - begin) / timedelta(milliseconds=1):.0f} ms" if begin and end else ""


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 1]}…"
