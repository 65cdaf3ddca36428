"""`make demo`: ends well as soon as one detection has reached a person on all three channels."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.orm import Session, selectinload

from api.models.notification import Match, Notification
from api.models.slot import Detection
from api.models.user import Channel
from deploy.local.live_feed import format_moment

_CHANNELS = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)  # which the demo waits for
_SHOWN = 5  # slots that the summary lists


@dataclass(frozen=True)
class Arrival:
    """One detection that was told on every channel."""

    detection: Detection
    notifications: list[Notification]


def arrival(session: Session, since: datetime) -> Arrival | None:
    """Return the first detection since then whose notifications every channel's provider accepted."""
    query = (
        sa.select(Match.detection_id, Notification)
        .join(Notification, Notification.announcement_id == Match.announcement_id)
        .join(Detection, Detection.id == Match.detection_id)
        .where(Notification.accepted_at.is_not(None), Detection.seen_at >= since)
        .order_by(Notification.accepted_at)
    )
    told: dict[object, dict[Channel, Notification]] = {}
    for detection_id, notification in session.execute(query):
        channels = told.setdefault(detection_id, {})
        channels.setdefault(notification.channel, notification)
        if channels.keys() >= set(_CHANNELS):
            detection = session.get_one(Detection, detection_id, options=[selectinload(Detection.slots)])
            return Arrival(detection, [channels[each] for each in _CHANNELS])
    return None


def summarise(console: Console, found: Arrival) -> None:
    """Print what opened, when it was seen, when each channel accepted."""
    seen, slots = found.detection, found.detection.slots
    console.print("\n[bold green]One alert arrived on all three channels.[/]")
    _say(console, "what opened", f"{len(slots)} slot{'s' * (len(slots) != 1)}: {seen.label} ({seen.desk_id})")
    for slot in slots[:_SHOWN]:
        _say(console, "", f"{format_moment(slot)}  {slot.place_label or slot.place_key}")
    if len(slots) > _SHOWN:
        _say(console, "", f"and {len(slots) - _SHOWN} more")
    _say(console, "seen", f"{seen.seen_at.astimezone():%H:%M:%S.%f}, when the page was read")
    _say(console, "committed", f"{_delay(seen.seen_at, seen.committed_at)} after the page was read")
    for row in found.notifications:
        delay = _delay(seen.seen_at, row.accepted_at or seen.seen_at)
        _say(console, row.channel.value, f"accepted by {row.provider}, {delay} after the page was read")


def _say(console: Console, what: str, text: str) -> None:
    console.print(f"  {what:<14}{text}", soft_wrap=True, markup=False)


def _delay(begin: datetime, end: datetime) -> str:
    return f"{(end - begin) / timedelta(milliseconds=1):.0f} ms"
