"""`make demo`: ends well as soon as one detection has reached a person on all three channels."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.orm import Session, selectinload

from api.models.notification import Match, Notification, NotificationMatch
from api.models.slot import Detection
from api.models.user import Channel
from deploy.local.feed import delay


@dataclass(frozen=True)
class Arrival:
    """One detection that was told on every channel."""

    detection: Detection
    notifications: list[Notification]


def arrival(session: Session, since: datetime) -> Arrival | None:
    """Return the first detection since then whose notifications every channel's provider accepted."""
    query = (
        sa.select(Match.detection_id, Notification)
        .join(NotificationMatch, NotificationMatch.match_id == Match.id)
        .join(Notification, Notification.id == NotificationMatch.notification_id)
        .join(Detection, Detection.id == Match.detection_id)
        .where(Notification.accepted_at.is_not(None), Detection.seen_at >= since)
        .order_by(Notification.accepted_at)
    )
    told: dict[object, dict[Channel, Notification]] = {}
    for detection_id, notification in session.execute(query):
        channels = told.setdefault(detection_id, {})
        channels.setdefault(notification.channel, notification)
        if set(channels) == set(Channel):
            detection = session.get_one(Detection, detection_id, options=[selectinload(Detection.slots)])
            return Arrival(detection, list(channels.values()))
    return None


def summarise(console: Console, found: Arrival) -> None:
    """Print what opened, when it was seen, when each channel accepted."""
    detection = found.detection
    console.print("\n[bold green]One alert arrived on all three channels.[/]")
    console.print(f"  what opened   {detection.label} ({detection.desk_id}), {len(detection.slots)} slots:")
    for slot in detection.slots[:5]:
        console.print(f"                {slot.moment}  {slot.place_label or slot.place_key}")
    console.print(f"  seen          {detection.seen_at.isoformat()}")
    committed = (detection.committed_at - detection.seen_at) / timedelta(milliseconds=1)
    console.print(f"  committed     {committed:.0f} ms after the page was read")
    for row in found.notifications:
        console.print(f"  {row.channel.value:<12}  accepted by {row.provider}, {delay(row)}")
