"""What the dashboard shows of an alert, in the words of the page."""

from dataclasses import dataclass
from datetime import datetime

from flask import request

from api.alerts.schemas import AlertAnswer
from configs.plan import PlanName, name_plan
from configs.prefecture import prefectures


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert: its own name or the prefecture's, what is watched, and how it goes."""

    title: str
    place: str | None  # where the title is not the place
    desks: list[str]
    state: str  # active, waiting (nothing of it can be watched yet), paused
    zone: str  # of the prefecture (IANA)
    last_proven_at: datetime | None
    achieved_interval: float | None  # seconds
    slots_found: int
    notifications_sent: int


def describe_alert(alert: AlertAnswer) -> ShownAlert:
    """Return an alert as the page shows it."""
    place = prefectures()[alert.prefecture_id]
    title = f"{place.name} ({place.department})"
    return ShownAlert(
        title=alert.name or title,
        place=title if alert.name else None,
        desks=[desk.label for desk in alert.desks],
        state="waiting" if alert.awaits_watch else "active" if alert.is_active else "paused",
        zone=str(place.time_zone),
        last_proven_at=alert.last_proven_at,
        achieved_interval=alert.achieved_interval,
        slots_found=alert.slots_found,
        notifications_sent=alert.notifications_sent,
    )


def find_paid_plan() -> str | None:
    """Return the name of the plan that Checkout's return names, if it is one of ours."""
    named = request.args.get("plan", "")
    return name_plan(PlanName(named)) if named in set(PlanName) and named != PlanName.NONE else None
