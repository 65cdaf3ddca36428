"""Terminal view of a stack: how it starts, the addresses to open, the live feed, the end of a demo."""

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.text import Text
from sqlalchemy.orm import Session

from api.models.base import session
from configs.ground.clock import clock
from deploy.local.ports import StackPorts, usual
from deploy.local.processes import StartFailed
from deploy.local.seed import EMAIL, PASSWORD, seed
from deploy.local.stack import Stack, begin_world, running, wait_ready
from deploy.local.state_dir import LOGS, StateUnusable, folder
from deploy.sandbox.addresses import STRIPE, url

_LOOK = 0.2  # seconds between two looks at the tables
_WIDTH = 170  # columns where the output is no terminal
_PATIENCE = 90.0  # seconds that `demo` waits for an alert once everything stands

_CHANNELS = ("email", "sms", "telegram")  # which the demo waits for
_TOLD = sa.text("""
SELECT d.id, d.label, d.desk_id, d.seen_at, n.channel, n.provider,
  round(1000 * extract(epoch FROM d.committed_at - d.seen_at)) AS committed,
  round(1000 * extract(epoch FROM n.accepted_at - d.seen_at)) AS accepted
FROM detections d JOIN matches m ON m.detection_id = d.id
JOIN notifications n ON n.announcement_id = m.announcement_id
WHERE d.seen_at >= :since AND n.accepted_at IS NOT NULL AND n.channel = ANY(:channels)
ORDER BY n.accepted_at DESC""")

_LATE = timedelta(seconds=30)  # a row may become visible that long after its own time
_PROVEN = timedelta(minutes=5)  # in which a page shows a second time that a slot is gone
_FIXED = 45  # columns of time, what, outcome and milliseconds, and the spaces between them
_WHERE = (24, 49)  # columns at least and at most: the longest id of a desk has 49
_STYLES = {
    "DETECTION": "bold green", "gone": "dim", "REST": "red", "STOPPED": "red", "OUTAGE": "red", "watched": "green",
    "slots": "bold green", "no_slots": "dim", "captcha": "magenta", "overloaded": "yellow", "maintenance": "yellow",
    **dict.fromkeys(("blocked", "rate_limited", "closed", "unreachable", "unreadable"), "red"),
    **dict.fromkeys(("failed", "expired", "skipped", "bounced"), "bold red"),
}  # fmt: skip
# Slots that a page does not show are listed once it has not shown them twice: pages flap. Where an outage begins as
# another ends, only its reason has changed: the desk is not watched again.
_EVENTS = sa.text("""
SELECT id::text AS key, started_at AS at, CASE WHEN probe THEN 'probe' ELSE 'check' END AS what,
  desk_id AS place, outcome AS word,
  milliseconds || ' ms' AS took, evidence AS why
FROM checks WHERE started_at >= :since
UNION ALL SELECT id::text, committed_at, 'DETECTION', desk_id,
  (SELECT count(*) FROM detection_slots WHERE detection_id = d.id) || ' slots',
  round(1000 * extract(epoch FROM committed_at - seen_at)) || ' ms',
  'first ' || (SELECT min(moment) FROM detection_slots JOIN slots ON slots.id = slot_id WHERE detection_id = d.id)
FROM detections d WHERE committed_at >= :since
UNION ALL SELECT id || state, coalesce(accepted_at, failed_at), 'notification', channel || ' ' || kind, state,
  round(1000 * extract(epoch FROM accepted_at - seen_at)) || ' ms',
  coalesce(reason, CASE WHEN accepted_at >= seen_at THEN 'after the page was read' END)
FROM notifications WHERE accepted_at >= :since OR failed_at >= :since
UNION ALL SELECT concat(gone_at, desk_id, gone_reason), gone_at, 'gone', desk_id, count(*) || ' slots',
  date_trunc('second', gone_at - min(opened_at))::text, gone_reason
FROM slots WHERE gone_at >= :gone_since AND (gone_reason <> 'taken' OR EXISTS (
  SELECT FROM desks WHERE desks.id = desk_id AND whole_at > gone_at))
GROUP BY gone_at, desk_id, gone_reason
UNION ALL SELECT concat(host, rests_until), updated_at, 'REST', host, 'a while',
  date_trunc('second', rests_until - updated_at)::text, rest_reason
FROM hosts WHERE updated_at >= :since AND rests_until > updated_at
UNION ALL SELECT concat(host, stopped_at), stopped_at, 'STOPPED', host, 'by operator', '', stop_reason
FROM hosts WHERE stopped_at >= :since
UNION ALL SELECT concat('begun', id), starts_at, 'OUTAGE', desk_id, reason, '', 'not watched from now on'
FROM outages WHERE starts_at >= :since
UNION ALL SELECT concat('over', id), ends_at, 'watched', desk_id, 'again',
  date_trunc('second', ends_at - starts_at)::text, 'it was ' || reason
FROM outages o WHERE ends_at >= :since AND NOT EXISTS (
  SELECT FROM outages n WHERE n.desk_id = o.desk_id AND n.starts_at = o.ends_at)
ORDER BY at""")


@dataclass
class LiveFeed:
    """Remembers what it has shown, as long as it could come up again."""

    begun: datetime = field(default_factory=clock)
    _shown: dict[str, datetime] = field(default_factory=dict)

    def read_new(self, session: Session) -> list[sa.Row[Any]]:
        """Return the events that were not returned yet, oldest first; a notification again in each new state."""
        since, gone_since = (max(self.begun, clock() - age) for age in (_LATE, _PROVEN))
        found = session.execute(_EVENTS, {"since": since, "gone_since": gone_since}).all()
        new = [each for each in found if each.key not in self._shown]
        self._shown = {key: at for key, at in self._shown.items() if at >= gone_since}
        self._shown |= {each.key: each.at for each in new}
        return new


def render(event: Any, width: int) -> Text:
    """Return the line of an event in `width` columns, where 67 are there at all."""
    style = _STYLES.get(event.what) or _STYLES.get(event.word) or ""
    at = f"{event.at.astimezone():%H:%M:%S}"
    return _lay_out((at, event.what, event.place, event.word, event.took, event.why), style, width)


def _lay_out(texts: tuple[str | None, ...], style: str, width: int) -> Text:
    at, what, place, word, took, why = (each or "" for each in texts)
    columns = min(max(width - _FIXED, _WHERE[0]), _WHERE[1])
    line = f"{at:<8} {what:<12} {place[:columns]:<{columns}} {word:<12} {took:>8}  {why}"
    return Text(line.rstrip(), style)


def find_arrival(session: Session, since: datetime) -> Sequence[Any]:
    """Return the notifications of the first detection since then that every channel's provider accepted, or none."""
    told: dict[object, dict[str, Any]] = defaultdict(dict)
    for each in session.execute(_TOLD, {"since": since, "channels": list(_CHANNELS)}):
        told[each.id][each.channel] = each
    whole = [each for each in told.values() if len(each) == len(_CHANNELS)]
    return [whole[-1][channel] for channel in _CHANNELS] if whole else []


def summarise(console: Console, found: Sequence[Any]) -> None:
    """Print what opened, when it was seen, when each channel accepted."""
    seen = found[0]
    console.print("\n[bold green]One alert arrived on all three channels.[/]")
    lines = {
        "what opened": f"{seen.label} ({seen.desk_id})",
        "seen": f"{seen.seen_at.astimezone():%H:%M:%S.%f}, when the page was read",
        "committed": f"{seen.committed} ms after the page was read",
        **{each.channel: f"accepted by {each.provider}, {each.accepted} ms after the page was read" for each in found},
    }  # fmt: skip
    for what, text in lines.items():
        console.print(f"  {what:<14}{text}", soft_wrap=True, markup=False)


def show(what: str, *, any_port: bool) -> int:
    """Run a stack and show it, for ever or (`demo`) until an alert arrived; return the exit code of `main`.

    Raises:
        deploy.local.processes.Stopped: somebody asked us to stop.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    try:
        return _run(console, usual(any_port=any_port), until_arrival=what == "demo")
    except (StartFailed, StateUnusable) as refusal:
        Console(stderr=True, soft_wrap=True, highlight=False).print(str(refusal), style="red", markup=False)
        return 2


def _run(console: Console, ports: StackPorts, *, until_arrival: bool) -> int:
    began, since = time.monotonic(), clock()
    console.print("starting PostgreSQL, Redis, the stand-ins and the programs …", style="dim")
    with running(folder(), ports, lambda text: console.print(text, style="yellow", markup=False)) as stack:
        os.environ.update(stack.environment)
        wait_ready(stack)
        seed(stack)
        begin_world(stack)  # who waits is known by then, and who tells them
        console.print(f"everything stands after {time.monotonic() - began:.1f} s", style="dim")
        _introduce(console, stack.ports, stack.state / LOGS)
        found = _follow(console, stack, since, seconds=_PATIENCE if until_arrival else None)
        if found:
            summarise(console, found)
        else:
            console.print(f"no alert arrived on all three channels within {_PATIENCE:g} s", style="red")
    return 0 if found else 1


def _introduce(console: Console, ports: StackPorts, logs: Path) -> None:
    """Print the addresses to open."""
    console.print("\n[bold]RDVPriority[/], with stand-ins for every site and provider\n")
    for what, where in {
        "front": f"http://127.0.0.1:{ports.api}/",
        "inbox, booking sites": f"http://127.0.0.1:{ports.inbox}/",
        "API, its page": f"http://127.0.0.1:{ports.api}/api/docs",
        "health": f"http://127.0.0.1:{ports.api}/api/health",
        "Stripe's stand-in": f"{url(STRIPE, ports.providers)}/_control",
        "a booking site": f"http://127.77.0.91:{ports.sites}/booking/create/23014",
        "account": f"{EMAIL} / {PASSWORD}",
        "logs": str(logs),
    }.items():
        console.print(f"  [bold]{what:<21}[/]{where}", soft_wrap=True)
    console.print("\n  Ctrl-C stops everything\n")
    columns = ("time", "what", "where", "outcome", "ms", "why, or since the page was read")
    console.print(_lay_out(columns, "dim", console.width), no_wrap=True)


def _follow(
    console: Console, stack: Stack, since: datetime, *, seconds: float | None = None
) -> Sequence[Any]:
    """Print what happens; with a time, return the first alert since then that arrived everywhere, or nothing.

    Raises:
        deploy.local.processes.StartFailed: the programs ended.
    """
    feed, away = LiveFeed(), False
    end = time.monotonic() + seconds if seconds else None
    while end is None or time.monotonic() < end:
        stack.look_after()
        try:
            with session() as s:
                for event in feed.read_new(s):
                    console.print(render(event, console.width), no_wrap=True, overflow="ellipsis")
                found = find_arrival(s, since) if end else ()
            if found:
                return found
            away = False
        except sa.exc.OperationalError as error:
            if not away:
                console.print(f"the database does not answer: {error.orig}", style="red", markup=False)
            away = True
        time.sleep(_LOOK)
    return ()
