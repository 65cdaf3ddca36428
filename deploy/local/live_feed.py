"""Live feed of a stack, a line an event: checks, detections, notifications, and what changes in the watching."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from rich.text import Text
from sqlalchemy.orm import Session

from configs.ground.clock import clock

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
SELECT id::text AS key, started_at AS at, 'check' AS what, desk_id AS place, outcome AS word,
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


def heading(width: int) -> Text:
    """Return the line above the feed's columns."""
    shown = ("time", "what", "where", "outcome", "ms", "why, or since the page was read")
    return _lay_out(shown, "dim", width)


def _lay_out(texts: tuple[str | None, ...], style: str, width: int) -> Text:
    at, what, place, word, took, why = (each or "" for each in texts)
    columns = min(max(width - _FIXED, _WHERE[0]), _WHERE[1])
    line = f"{at:<8} {what:<12} {place[:columns]:<{columns}} {word:<12} {took:>8}  {why}"
    return Text(line.rstrip(), style)
