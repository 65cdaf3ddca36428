"""Messages about the watching of desks, to subscribers who wait for them."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from babel.dates import format_date, format_time

from api.models.alert import Alert
from api.models.incident import Incident
from api.models.notification import Notification, State
from configs.ground.message_groups import MessageGroup
from configs.world.desk import HOME_ZONE, zone_of
from configs.world.languages import FRENCH
from configs.world.prefecture import desks
from notifier.content.desk_location import desk_infos, list_spots, name_city, since_values
from notifier.content.message_kind_base import (
    REACHABLE,
    Check,
    DueMessage,
    MessageKind,
    Skip,
    TemplateContext,
    Values,
)
from notifier.content.outgoing_message import account_page

_ACCEPTED = (State.SENT, State.DELIVERED, State.NO_RECEIPT)


def _check_outage(due: DueMessage) -> Skip | None:
    incident = due.session.get(Incident, int(due.params["incident"]))
    is_over = incident is None or incident.ends_at is not None
    return Skip(State.EXPIRED, "watched again") if is_over else None


def _check_told(due: DueMessage) -> Skip | None:
    """Skip a contact that never had the notice of the trouble."""
    had_notice = sa.exists().where(
        Notification.contact_id == due.contact.id,
        Notification.kind == "desk_unwatched",
        Notification.params["incident"].astext == due.params["incident"],
        Notification.state.in_(_ACCEPTED),
    )
    return (
        None if due.session.scalar(sa.select(had_notice)) else Skip(State.SKIPPED, "the trouble was not told")
    )


def _list_outage(due: DueMessage) -> TemplateContext:
    found = [desks()[each] for each in due.params["desks"] if each in desks()]
    zone = found[0].zone if found else zone_of(HOME_ZONE)
    since = since_values(due.params["since"], zone, due.language)
    named = {"reason": due.params["reason"], "city": name_city(zone, due.language)}
    return TemplateContext(list_spots(due.params["desks"]) | named | since)


def _check_saved_alert(due: DueMessage) -> Skip | None:
    alert = due.session.get(Alert, UUID(due.params["alert"]))
    if alert is None or alert.closed_at is not None:
        return Skip(State.SKIPPED, "alert stopped")
    return Skip(State.SKIPPED, "alert waits already") if alert.enabled else None


def _name_release(due: DueMessage) -> TemplateContext | Skip:
    """Return where and when slots are published that we cannot see, in the desk's own time, unless it is over."""
    desk = desks().get(due.params["desk"])
    if desk is None or not desk.schedulable:
        return Skip(State.SKIPPED, "the desk is not watched any more")
    begins, ends = (
        datetime.fromisoformat(at).astimezone(desk.zone) if (at := due.params[each]) else None
        for each in ("begins", "ends")
    )
    if begins is None or (ends or begins) <= due.now:
        return Skip(State.EXPIRED, "published already")
    (spot,) = desk_infos([desk.id])
    words = {
        "city": name_city(desk.zone, due.language),
        "day": format_date(begins, "EEEE d MMMM" if due.language == FRENCH else "full", locale=due.language),
        "begins": format_time(begins, "short", locale=due.language),
        "ends": ends and format_time(ends, "short", locale=due.language),
    }
    return TemplateContext({"spot": spot, **words}, desk.url)


def _kind(values: Values, check: Check | None = None, group: MessageGroup = MessageGroup.DESK) -> MessageKind:
    return MessageKind(
        to=REACHABLE, check=check, values=values, secret=False, group=group, notice_link="/dashboard"
    )


KINDS = {
    "desk_unwatched": _kind(_list_outage, _check_outage),
    "desk_watched": _kind(_list_outage, _check_told),
    # For an alert that was saved while none of its desks could be watched.
    "desk_watchable": _kind(
        lambda due: TemplateContext(list_spots(due.params["desks"]) | {"url": account_page("dashboard")}),
        _check_saved_alert,
    ),
    "release_soon": _kind(_name_release, group=MessageGroup.REMINDERS),
}
