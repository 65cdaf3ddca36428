"""Changes of an alert: what it waits for, its name, language, and calls."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.alerts.calls import change_voice
from api.alerts.fair_use import check_plan, check_waiting_count
from api.alerts.health_consent import erase_health_texts, list_revealing, note_health_consent
from api.alerts.schemas import AlertChange, NewAlert
from api.alerts.service import get_open, record_desk_changes
from api.alerts.targets import describe_targets, find_watched_desks, get_prefecture_id, read_limits
from api.alerts.unwatched import record_watching
from api.alerts.wishes import resolve_wish
from api.ground.errors import invalid
from api.ground.messages import ask_catch_up_later
from api.ground.schemas import FieldError
from api.models.alert import Alert, AlertTarget
from configs.ground.clock import clock

_WATCHED = {"prefecture_id", "procedures", "desk_ids", "limits"}


def change_alert(session: Session, user_id: UUID, alert_id: UUID, change: AlertChange) -> Alert:
    """Change an open alert.

    Raises:
        ApiError: 404; 409 where it is closed; 402, 409 or 422 as for a new alert.
    """
    lock_user(session, user_id)
    alert = get_open(session, user_id, alert_id)
    given = change.model_fields_set
    for name in given & {"name", "language"}:
        setattr(alert, name, getattr(change, name))
    if "voice" in given:
        change_voice(session, alert, change.voice)
    if given & _WATCHED:
        _change_targets(session, alert, _merge(alert, change))
    if alert.waits:
        ask_catch_up_later(session, [alert.id])
    return alert


def _change_targets(session: Session, alert: Alert, wish: NewAlert) -> None:
    """Replace targets and limits where they differ; an alert that waited for a watch is enabled as a new one is.

    One that runs goes on with other limits at the same desks, whatever their state.
    """
    found = resolve_wish(session, wish)
    targets = found.targets
    if describe_targets(targets) == describe_targets(alert.targets):
        return
    goes_on = alert.enabled and _list_desk_ids(targets) == _list_desk_ids(alert.targets)
    if not goes_on:
        found.check()
    waiting = found.must_wait and not goes_on and not found.is_free
    enabled = not waiting and (alert.enabled or alert.awaits_watch)
    is_free = enabled and (alert.is_free if goes_on else found.is_free)
    if (waiting or is_free) and not (alert.awaits_watch or alert.is_free):
        check_waiting_count(session, alert.user_id, is_free=is_free)
    if enabled and not is_free:
        check_plan(session, alert.user_id, found.place.id, besides=alert.id)
    record_watching(session, alert.user_id)
    record_desk_changes(session, alert, "alert changed")
    if not goes_on:
        alert.watched_since = clock()
    consented = list_revealing(alert.targets) if alert.consented_at else set()
    alert.targets = targets
    note_health_consent(alert, targets)
    if consented - list_revealing(targets):
        erase_health_texts(session, alert.user_id)
    alert.limits_version += 1
    alert.enabled, alert.awaits_watch, alert.is_free = enabled, waiting, is_free
    record_desk_changes(session, alert, "alert changed")


def _merge(alert: Alert, change: AlertChange) -> NewAlert:
    """Return the alert as a wish with the change applied. Its parts were validated, so it is not validated again.

    Raises:
        ApiError: 422, nothing would be left to wait for.
    """
    given, before = change.model_fields_set, alert.targets
    procedures = (
        change.procedures if "procedures" in given else sorted(t.procedure for t in before if t.procedure)
    )
    desk_ids = change.desk_ids if "desk_ids" in given else [t.desk_id for t in before if t.desk_id]
    if not procedures and not desk_ids:
        detail = "an alert waits for something: name at least one of procedures or deskIds"
        raise invalid(FieldError(path="procedures", rule="missing", detail=detail))
    return NewAlert.model_construct(
        prefecture_id=change.prefecture_id or (get_prefecture_id(before) if procedures else None),
        procedures=procedures,
        desk_ids=desk_ids,
        limits=change.limits if "limits" in given else read_limits(before[0]),
        accept_waiting=change.accept_waiting or alert.awaits_watch,
        accept_health=change.accept_health or alert.consented_at is not None,
    )


def _list_desk_ids(targets: Iterable[AlertTarget]) -> set[str]:
    return {each.id for each in find_watched_desks(targets)}
