"""`make demo`: ends well as soon as one detection has reached a person on all three channels."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.orm import Session

_CHANNELS = ("email", "sms", "telegram")  # which the demo waits for
_TOLD = sa.text("""
SELECT d.id, d.label, d.desk_id, d.seen_at, n.channel, n.provider,
  round(1000 * extract(epoch FROM d.committed_at - d.seen_at)) AS committed,
  round(1000 * extract(epoch FROM n.accepted_at - d.seen_at)) AS accepted
FROM detections d JOIN matches m ON m.detection_id = d.id
JOIN notifications n ON n.announcement_id = m.announcement_id
WHERE d.seen_at >= :since AND n.accepted_at IS NOT NULL AND n.channel = ANY(:channels)
ORDER BY n.accepted_at DESC""")


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
