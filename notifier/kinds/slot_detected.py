"""The slot alert: what is still open of what was matched, and the reasons to say nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from babel.dates import format_date, format_time
from sqlalchemy.orm import Session

from api.models.alert import Alert, Moment
from api.models.notification import Match, MatchSlot, Notification, NotificationMatch, State
from api.models.slot import Detection, SlotRow
from api.models.user import Contact, ContactState
from configs.settings import settings
from configs.signing import sign
from notifier.kinds import Facts, Held
from notifier.links import link
from notifier.matching import moment_of
from notifier.places import Whereabouts, whereabouts


@dataclass(frozen=True, slots=True)
class Told:
    """What a slot alert was matched from."""

    detection: Detection
    alerts: Sequence[Alert]
    slots: Sequence[SlotRow]


def may_go_to(contact: Contact) -> bool:
    """Only where a person wants to be reached and can be."""
    return contact.reachable


def look(session: Session, row: Notification, contact: Contact, now: datetime) -> Facts | Held:
    """Return what is open, or why nobody is told."""
    found = _told(session, row)
    if found is None:
        return Held(State.SKIPPED, "alert deleted")
    confirmed = now - timedelta(seconds=settings().unconfirmed_seconds)
    return held(found, contact, confirmed) or Facts(_values(row, found), found.detection.booking_url)


def _told(session: Session, row: Notification) -> Told | None:
    mine = sa.select(NotificationMatch.match_id).where(NotificationMatch.notification_id == row.id)
    pairs = session.execute(
        sa.select(Alert, Detection)
        .join(Match, Match.alert_id == Alert.id)
        .join(Detection, Detection.id == Match.detection_id)
        .where(Match.id.in_(mine))
        .order_by(Alert.id)
    ).all()
    if not pairs:
        return None
    alerts = [alert for alert, _ in pairs if alert.waits]
    waiting = sa.select(MatchSlot.slot_id).join(Match, Match.id == MatchSlot.match_id)
    waiting = waiting.where(
        Match.id.in_(mine),
        Match.alert_id.in_([alert.id for alert in alerts]),
        MatchSlot.decided_at == row.matched_at,
    )
    slots = session.scalars(sa.select(SlotRow).where(SlotRow.id.in_(waiting)).order_by(SlotRow.id)).all()
    return Told(pairs[0][1], alerts, [slot for slot in slots if slot.gone_at is None])


def held(found: Told, contact: Contact, confirmed_since: datetime) -> Held | None:
    """Return why the alert is not sent now, or None. Pure."""
    if not contact.reachable:
        return Held(State.SKIPPED, _unreachable(contact))
    if not found.alerts:
        return Held(State.SKIPPED, "alert stopped")
    if not found.slots:
        return Held(State.EXPIRED, "slots gone")
    if all(slot.seen_at < confirmed_since for slot in found.slots):
        return Held(State.EXPIRED, "slots not confirmed any more")
    return None


def _unreachable(contact: Contact) -> str:
    if contact.state is not ContactState.OK:
        return f"address {contact.state.value}"
    return "switched off" if not contact.enabled else "address not verified"


def _values(row: Notification, found: Told) -> dict[str, Any]:
    detection = found.detection
    where = whereabouts(detection.desk_id, detection.prefecture_id)
    moments = [moment_of(slot, where.zone, detection.site) for slot in found.slots]
    seen = (row.seen_at or detection.seen_at).astimezone(where.zone)
    return {
        "prefecture": where.name,
        "department": where.department,
        "label": detection.label,
        "site": detection.site,
        "count": len(moments),
        "countable": all(moment.day for moment in moments),
        "url": detection.booking_url,
        "seen_day": format_date(seen, "long", locale=row.language),
        "seen_hour": format_time(seen, "medium", locale=row.language, tzinfo=where.zone),
        "stops": [(alert.name, link("stop", sign("stop-alert", str(alert.id)))) for alert in found.alerts],
        **first_moment(moments, where, row.language),
    }


def first_moment(moments: Sequence[Moment], where: Whereabouts, language: str) -> dict[str, str | None]:
    """Return the earliest date that is known and its hour, in words and short; None where unknown.

    Among the slots of that date, one whose hour is known goes first.
    """
    known = [moment for moment in moments if moment.day]
    if not known:
        return {"first_day": None, "first_day_short": None, "first_hour": None}
    first = min(
        known, key=lambda each: (each.day or date.max, each.hour is None, each.hour or datetime.min.time())
    )
    hour = None
    if first.day and first.hour:
        instant = datetime.combine(first.day, first.hour, where.zone)
        hour = format_time(instant, "short", locale=language, tzinfo=where.zone)
    return {
        "first_day": format_date(first.day, "full", locale=language),
        "first_day_short": format_date(first.day, "dd/MM", locale=language),
        "first_hour": hour,
    }
