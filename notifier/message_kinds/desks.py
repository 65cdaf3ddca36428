"""Messages about the watching of desks, to subscribers who wait for them."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel.dates import format_date, format_time
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.incident import Incident
from api.models.notification import Notification, State
from api.models.user import Contact
from configs.ground.message_groups import MessageGroup
from configs.world.languages import FRENCH
from configs.world.prefecture import desks
from notifier.content.desk_location import desk_infos, name_city, outage_values
from notifier.content.message_kind_base import (
    REACHABLE,
    Check,
    ClaimedRow,
    MessageKind,
    Skip,
    TemplateContext,
    Values,
)
from notifier.content.outgoing_message import account_page

_ACCEPTED = (State.SENT, State.DELIVERED, State.NO_RECEIPT)


def _check_outage(session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> Skip | None:
    incident = session.get(Incident, int(row.params["incident"]))
    is_over = incident is None or incident.ends_at is not None
    return Skip(State.EXPIRED, "watched again") if is_over else None


def _check_told(session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> Skip | None:
    """Skip a contact that never had the notice of the trouble."""
    had_notice = sa.exists().where(
        Notification.contact_id == contact.id,
        Notification.kind == "desk_unwatched",
        Notification.params["incident"].astext == row.params["incident"],
        Notification.state.in_(_ACCEPTED),
    )
    return None if session.scalar(sa.select(had_notice)) else Skip(State.SKIPPED, "the trouble was not told")


def _list_outage(_session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> TemplateContext:
    return TemplateContext(outage_values(row.params, row.language))


def _check_saved_alert(session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> Skip | None:
    alert = session.get(Alert, UUID(row.params["alert"]))
    if alert is None or alert.closed_at is not None:
        return Skip(State.SKIPPED, "alert stopped")
    return Skip(State.SKIPPED, "alert waits already") if alert.enabled else None


def _list_watchable(_session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> TemplateContext:
    """Return the desks that can be watched now, for an alert that was saved while none of its desks could."""
    found = desk_infos(row.params["desks"])
    homes = sorted({spot.where for spot in found})
    url = account_page("dashboard")
    return TemplateContext({"spots": found, "where": homes[0] if len(homes) == 1 else None, "url": url}, url)


def _name_release(
    _session: Session, row: ClaimedRow, _contact: Contact, now: datetime
) -> TemplateContext | Skip:
    """Return where and when slots are published that we cannot see, in the desk's own time, unless it is over."""
    desk = desks().get(row.params["desk"])
    if desk is None or not desk.schedulable:
        return Skip(State.SKIPPED, "the desk is not watched any more")
    begins, ends = (_localize(row.params[each], desk.zone) for each in ("begins", "ends"))
    if begins is None or (ends or begins) <= now:
        return Skip(State.EXPIRED, "published already")
    (spot,) = desk_infos([desk.id])
    words = {
        "city": name_city(desk.zone, row.language),
        "day": format_date(begins, "EEEE d MMMM" if row.language == FRENCH else "full", locale=row.language),
        "begins": format_time(begins, "short", locale=row.language),
        "ends": ends and format_time(ends, "short", locale=row.language),
    }
    return TemplateContext({"spot": spot, **words}, desk.url)


def _localize(instant: str | None, zone: ZoneInfo) -> datetime | None:
    return datetime.fromisoformat(instant).astimezone(zone) if instant else None


def _kind(values: Values, check: Check | None = None, group: MessageGroup = MessageGroup.DESK) -> MessageKind:
    return MessageKind(
        to=REACHABLE, check=check, values=values, secret=False, group=group, notice_link="/dashboard"
    )


KINDS = {
    "desk_unwatched": _kind(_list_outage, _check_outage),
    "desk_watched": _kind(_list_outage, _check_told),
    "desk_watchable": _kind(_list_watchable, _check_saved_alert),
    "release_soon": _kind(_name_release, group=MessageGroup.REMINDERS),
}
