"""Live feed of a stack, a line an event: checks, detections, notifications, and what changes in the watching."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from rich.text import Text
from sqlalchemy.orm import Session

from api.models.check import Check
from api.models.desk import DeskState, HostState, Outage
from api.models.notification import Notification, State
from api.models.slot import Detection, GoneReason, SlotRow
from configs.ground.clock import clock
from configs.ground.formatting import format_duration, pluralize
from configs.world.desk import WatchLevel, zone_of
from configs.world.outcome import Outcome
from configs.world.prefecture import desks

_LATE = timedelta(seconds=30)  # a row may become visible that long after its own time
_PROVEN = timedelta(minutes=5)  # in which a page shows a second time that a slot is gone
_FIXED = 8 + 12 + 12 + 8 + 5  # columns of time, what, word and milliseconds, and the spaces between them
_WHERE = (24, 49)  # columns at least and at most: the longest id of a desk has 49
_REST = 12  # columns; a shorter text is no help
_COLOURS = {
    Outcome.SLOTS: "bold green", Outcome.NO_SLOTS: "dim", Outcome.CAPTCHA: "magenta", Outcome.BLOCKED: "red",
    Outcome.RATE_LIMITED: "red", Outcome.OVERLOADED: "yellow", Outcome.MAINTENANCE: "yellow",
    Outcome.CLOSED: "red", Outcome.UNREACHABLE: "red", Outcome.UNREADABLE: "red",
}  # fmt: skip
_ENDED = (State.FAILED, State.EXPIRED, State.SKIPPED, State.BOUNCED)


@dataclass(frozen=True, slots=True)
class Event:
    """One line. `key` tells it from others."""

    at: datetime
    key: Hashable
    what: str
    where: str
    word: str = ""
    took: str = ""
    why: str = ""
    styles: tuple[str, str, str] = ("", "", "")  # of what, where and word

    def render(self, width: int) -> Text:
        """Return the line in at most `width` columns, where 67 are there at all."""
        return _render(
            (format_time(self.at), self.what, self.where, self.word, self.took, self.why), self.styles, width
        )


@dataclass
class LiveFeed:
    """Remembers what it has shown, as long as it could come up again."""

    begun: datetime = field(default_factory=clock)
    _shown: dict[Hashable, datetime] = field(default_factory=dict)

    def read_new(self, session: Session) -> list[Event]:
        """Return what was not returned yet, oldest first; a notification again in each new state.

        Slots that a page does not show are returned once it has not shown them twice: pages flap.
        """
        now = clock()
        since, gone_since = (max(self.begun, now - age) for age in (_LATE, _PROVEN))
        read = [*_read_events(session, since), *_read_gone(session, gone_since)]
        new = {event.key: event for event in read if event.key not in self._shown}
        self._shown = {key: at for key, at in self._shown.items() if at >= gone_since}
        self._shown |= {event.key: event.at for event in new.values()}
        return sorted(new.values(), key=lambda event: event.at)


def heading(width: int) -> Text:
    """Return the line above the feed's columns."""
    text = _render(
        ("time", "what", "where", "outcome", "ms", "why, or since the page was read"), ("", "", ""), width
    )
    text.stylize("dim")
    return text


def format_time(at: datetime) -> str:
    """Return an instant as the first column shows it."""
    return f"{at.astimezone():%H:%M:%S}"


def format_moment(slot: SlotRow) -> str:
    """Return a slot's moment in its desk's own time (`Tue 24 Nov 09:00`), or as the page gave it."""
    if slot.starts_at is None:
        return slot.moment
    desk = desks().get(slot.desk_id)
    return f"{slot.starts_at.astimezone(zone_of(desk.time_zone if desk else 'Europe/Paris')):%a %d %b %H:%M}"


def _render(texts: tuple[str, ...], styles: tuple[str, str, str], width: int) -> Text:
    time, what, where, word, took, why = texts
    columns = min(max(width - _FIXED, _WHERE[0]), _WHERE[1])
    line = Text.assemble(
        (f"{time:<8} ", "dim"), (f"{what:<12}", styles[0]), " ", (_cut(where, columns).ljust(columns), styles[1]), " ",
        (f"{word:<12}", styles[2]), f" {took:>8}",
    )  # fmt: skip
    left = width - _FIXED - columns - 1
    return line.append(f"  {_cut(why, left)}", "dim") if why and left >= _REST else line


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 1]}…"


def _read_events(session: Session, since: datetime) -> Iterator[Event]:
    for check in session.scalars(sa.select(Check).where(Check.started_at >= since)):
        yield _describe_check(check)
    for detection in session.scalars(sa.select(Detection).where(Detection.committed_at >= since)):
        yield _describe_detection(detection)
    ended = sa.or_(Notification.accepted_at >= since, Notification.failed_at >= since)
    for notification in session.scalars(sa.select(Notification).where(ended)):
        yield _describe_notification(notification)
    for host in session.scalars(sa.select(HostState).where(HostState.updated_at >= since)):
        yield from _describe_host(host, since)
    yield from _read_outages(session, since)


def _read_gone(session: Session, since: datetime) -> Iterator[Event]:
    """Yield slots that went together; those that a page did not show, once it was read whole again without them."""
    read_again = sa.exists().where(DeskState.id == SlotRow.desk_id, DeskState.whole_at > SlotRow.gone_at)
    is_sure = sa.or_(SlotRow.gone_reason != GoneReason.TAKEN, read_again)
    together = SlotRow.gone_at, SlotRow.desk_id, SlotRow.gone_reason
    went = sa.select(*together, sa.func.count(), sa.func.min(SlotRow.opened_at)).group_by(*together)
    row: Any
    for row in session.execute(went.where(SlotRow.gone_at >= since, is_sure)):
        at, desk, reason, count, opened_at = row
        word, took = pluralize(count, "slot"), format_duration(at - opened_at)
        yield Event(at, ("gone", at, desk, reason), "gone", desk, word, took, reason, ("dim", "", ""))


def _describe_check(row: Check) -> Event:
    quiet = "dim" if row.outcome is Outcome.NO_SLOTS else ""
    desk = desks().get(row.desk_id)
    is_usual = row.outcome is Outcome.CAPTCHA and desk is not None and desk.watch is WatchLevel.PRESENCE
    return Event(
        row.started_at, ("check", row.id), "check", row.desk_id, row.outcome.value, f"{row.milliseconds} ms",
        "as always: its slots stand behind a captcha" if is_usual else row.evidence,
        (quiet or "cyan", quiet, _COLOURS[row.outcome]),
    )  # fmt: skip


def _describe_detection(row: Detection) -> Event:
    first = f"first {format_moment(row.slots[0])}" if row.slots else ""
    return Event(
        row.committed_at, ("detection", row.id), "DETECTION", row.desk_id, pluralize(len(row.slots), "slot"),
        _between(row.seen_at, row.committed_at), first, ("bold black on green", "bold green", "bold green"),
    )  # fmt: skip


def _describe_notification(row: Notification) -> Event:
    style = "bold red" if row.state in _ENDED else "bold blue"
    took = _between(row.seen_at, row.accepted_at)
    return Event(
        row.accepted_at or row.failed_at or row.created_at, (row.id, row.state), "notification",
        f"{row.channel.value} {row.kind}", row.state.value, took,
        row.reason or ("after the page was read" if took else ""), (style, "bold", style),
    )  # fmt: skip


def _describe_host(row: HostState, since: datetime) -> Iterator[Event]:
    red = ("bold red", "red", "red")
    if row.rests_until and row.rests_until > row.updated_at:
        lasts, until = format_duration(row.rests_until - row.updated_at), f"to {format_time(row.rests_until)}"
        key, why = (
            (row.host, row.rests_until),
            row.rest_reason or "",
        )  # its row is written for other reasons too
        yield Event(row.updated_at, key, "REST", row.host, until, lasts, why, red)
    if row.stopped_at and row.stopped_at >= since:
        key, why = ("stop", row.stopped_at), row.stop_reason or ""
        yield Event(row.stopped_at, (row.host, key), "STOPPED", row.host, "by operator", "", why, red)


def _read_outages(session: Session, since: datetime) -> Iterator[Event]:
    recent = sa.or_(Outage.starts_at >= since, Outage.ends_at >= since)
    outages = session.scalars(sa.select(Outage).where(recent).order_by(Outage.id)).all()
    began = {(outage.desk_id, outage.starts_at) for outage in outages}
    for row in outages:
        desk, why, start, end = row.desk_id, row.reason, row.starts_at, row.ends_at
        # where the next one begins as it ends, only its reason has changed: the desk is not watched again
        if end and end >= since and (desk, end) not in began:
            lasted, green = format_duration(end - start), ("bold green", "green", "")
            yield Event(end, ("watched", desk, end), "watched", desk, "again", lasted, f"it was {why}", green)
        if start >= since:
            key, red = ("outage", desk, start, why), ("bold red", "red", "red")
            yield Event(start, key, "OUTAGE", desk, why, "", "not watched from now on", red)


def _between(begin: datetime | None, end: datetime | None) -> str:
    return f"{(end - begin) / timedelta(milliseconds=1):.0f} ms" if begin and end else ""
