"""Live feed of a stack, a line an event: checks, detections, notifications, and what changes in the watching.

Changes of the watching are posted to the sandbox's inbox page too, which knows only the stand-ins.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from rich.text import Text
from sqlalchemy.orm import Session, aliased

from api.models.check import Check
from api.models.desk import DeskState, HostState, Outage
from api.models.notification import Notification, State
from api.models.slot import Detection, GoneReason, SlotRow
from configs.clock import clock
from configs.desk import WatchLevel, zone_of
from configs.formatting import format_duration, pluralize
from configs.outcome import Outcome
from configs.prefecture import desks

_LATE = timedelta(seconds=30)  # a row may become visible that long after its own time
_FIXED = 8 + 12 + 12 + 8 + 5  # columns of time, what, word and milliseconds, and the spaces between them
_WHERE = (24, 49)  # columns at least and at most: the longest id of a desk has 49
_REST = 12  # columns; a shorter text is no help
_WAIT, _KEPT = 1.0, 40  # seconds, entries of the inbox page
_COLOURS = {
    Outcome.SLOTS: "bold green", Outcome.NO_SLOTS: "dim", Outcome.CAPTCHA: "magenta", Outcome.BLOCKED: "red",
    Outcome.RATE_LIMITED: "red", Outcome.OVERLOADED: "yellow", Outcome.MAINTENANCE: "yellow",
    Outcome.CLOSED: "red", Outcome.UNREACHABLE: "red", Outcome.UNREADABLE: "red",
}  # fmt: skip
_UNSURE = "not shown"  # by a page, once
_ENDED = (State.FAILED, State.EXPIRED, State.SKIPPED, State.BOUNCED)


@dataclass(frozen=True, slots=True)
class Event:
    """One line. `key` tells it from others; `entry` is what the inbox page takes of it (deploy/sandbox/inbox.py)."""

    at: datetime
    key: Hashable
    what: str
    where: str
    word: str = ""
    took: str = ""
    why: str = ""
    styles: tuple[str, str, str] = ("", "", "")  # of what, where and word
    entry: dict[str, Any] | None = None

    def render(self, width: int) -> Text:
        """Return the line in at most `width` columns, where 67 are there at all."""
        return _render(
            (format_time(self.at), self.what, self.where, self.word, self.took, self.why), self.styles, width
        )


@dataclass
class LiveFeed:
    """Remembers what it has shown, as long as it could come up again. `inbox`: the address of the inbox page."""

    inbox: str
    since: datetime = field(default_factory=clock)
    _shown: dict[Hashable, datetime] = field(default_factory=dict)
    _held: list[Event] = field(default_factory=list)
    _waiting: list[dict[str, Any]] = field(default_factory=list)

    def read_new(self, session: Session) -> list[Event]:
        """Return what was not returned yet, oldest first; a notification again in each new state.

        Slots that a page does not show are returned, last, once it has not shown them twice: pages flap.
        """
        now = clock()
        new = sorted(filter(self._is_new, _read_events(session, self.since)), key=lambda event: event.at)
        self.since = max(self.since, now - _LATE)
        self._shown = {key: at for key, at in self._shown.items() if at >= self.since}
        self._held += [event for event in new if event.word == _UNSURE]
        covered = [gone for gone in self._held if _is_covered_since(session, gone)]
        self._held = [gone for gone in self._held if gone not in covered]
        events = [event for event in new if event.word != _UNSURE]
        events += [found for gone in covered for found in _count_still_gone(session, gone)]
        self._waiting = [*self._waiting, *(event.entry for event in events if event.entry)][-_KEPT:]
        return events

    def post_entries(self) -> str | None:
        """Post to the inbox page what it has not taken yet; return what to tell a person where it refuses that."""
        if not self._waiting:
            return None
        body = json.dumps({"entries": self._waiting}).encode()
        request = urllib.request.Request(  # noqa: S310 -- our own loopback address
            f"{self.inbox}/api/journal", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_WAIT):  # noqa: S310 -- as above
                self._waiting.clear()
        except urllib.error.HTTPError as refused:
            self._waiting.clear()
            return f"the inbox page refuses its journal: {refused.code} {refused.read().decode()[:200]}"
        except OSError:
            pass  # the sandbox is away: its supervisor starts it again
        return None

    def _is_new(self, event: Event) -> bool:
        is_new = event.key not in self._shown
        self._shown[event.key] = event.at
        return is_new


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
    together = SlotRow.gone_at, SlotRow.desk_id, SlotRow.gone_reason
    went = sa.select(*together, sa.func.count(), sa.func.min(SlotRow.opened_at)).group_by(*together)
    row: Any
    for row in session.execute(went.where(SlotRow.gone_at >= since)):
        yield _describe_gone(*row)


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
        lasts, why = format_duration(row.rests_until - row.updated_at), row.rest_reason or ""
        entry = _entry("rest", row.updated_at, row.host, why, until=row.rests_until.isoformat())
        until = f"to {format_time(row.rests_until)}"
        # a host's row is written for other reasons too
        yield Event(
            row.updated_at, (row.host, row.rests_until), "REST", row.host, until, lasts, why, red, entry
        )
    if row.stopped_at and row.stopped_at >= since:
        at, why = row.stopped_at, row.stop_reason or ""
        entry = _entry("stop", at, row.host, why)
        yield Event(at, ("stop", row.host, at), "STOPPED", row.host, "by operator", "", why, red, entry)


def _read_outages(session: Session, since: datetime) -> Iterator[Event]:
    recent = sa.or_(Outage.starts_at >= since, Outage.ends_at >= since)
    outages = session.scalars(sa.select(Outage).where(recent).order_by(Outage.id)).all()
    began = {(outage.desk_id, outage.starts_at) for outage in outages}
    for row in outages:
        desk, why, start, end = row.desk_id, row.reason, row.starts_at, row.ends_at
        # where the next one begins as it ends, only its reason has changed: the desk is not watched again
        if end and end >= since and (desk, end) not in began:
            entry = _entry("watched", end, desk, why, since=start.isoformat())
            lasted, styles = format_duration(end - start), ("bold green", "green", "")
            yield Event(
                end, ("watched", desk, end), "watched", desk, "again", lasted, f"it was {why}", styles, entry
            )
        if start >= since:
            entry, red = _entry("outage", start, desk, why), ("bold red", "red", "red")
            yield Event(
                start,
                ("outage", desk, start, why),
                "OUTAGE",
                desk,
                why,
                "",
                "not watched from now on",
                red,
                entry,
            )


def _describe_gone(at: datetime, desk: str, reason: GoneReason, count: int, opened_at: datetime) -> Event:
    is_unsure = reason is GoneReason.TAKEN
    entry = _entry("gone", at, desk, reason.value, count=count, since=opened_at.isoformat())
    word, took = _UNSURE if is_unsure else pluralize(count, "slot"), format_duration(at - opened_at)
    return Event(at, ("gone", at, desk, reason), "gone", desk, word, took, reason, ("dim", "", ""), entry)


def _is_covered_since(session: Session, gone: Event) -> bool:
    whole = sa.exists().where(DeskState.id == gone.where, DeskState.whole_at > gone.at)
    return bool(session.scalar(sa.select(whole)))


def _count_still_gone(session: Session, gone: Event) -> Iterator[Event]:
    """Yield the event without the slots that came back meanwhile; nothing where all did."""
    back = aliased(SlotRow)
    same = sa.and_(
        back.desk_id == SlotRow.desk_id, back.place_key == SlotRow.place_key, back.moment == SlotRow.moment,
        back.opened_at >= SlotRow.gone_at,
    )  # fmt: skip
    went = sa.and_(
        SlotRow.desk_id == gone.where, SlotRow.gone_at == gone.at, SlotRow.gone_reason == GoneReason.TAKEN
    )
    query = sa.select(sa.func.count(), sa.func.min(SlotRow.opened_at)).where(went, ~sa.exists().where(same))
    count, opened_at = session.execute(query).one()
    if count:
        found = _describe_gone(gone.at, gone.where, GoneReason.TAKEN, count, opened_at)
        yield replace(found, word=pluralize(count, "slot"))


def _entry(kind: str, at: datetime, where: str, why: str, **more: object) -> dict[str, Any]:
    return {"kind": kind, "at": at.isoformat(), "where": where, "why": why, **more}


def _between(begin: datetime | None, end: datetime | None) -> str:
    return f"{(end - begin) / timedelta(milliseconds=1):.0f} ms" if begin and end else ""
