"""Changes to alerts. Each writes lines for the planner in the same transaction, under a lock of the user's row."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.accounts.queries import ensure_not_suspended, find_entitlement, lock_user
from api.alerts.fair_use import (
    check_alert_count,
    check_calls,
    check_made_today,
    check_plan,
    check_waiting_count,
    drop_oldest_closed,
    read_call_offer,
)
from api.alerts.health_consent import erase_health_texts, list_revealing, note_health_consent
from api.alerts.schemas import AlertChange, NewAlert, Voice
from api.alerts.targets import (
    describe_targets,
    find_watched_desks,
    get_prefecture_id,
    read_limits,
    select_open,
    select_waiting,
)
from api.alerts.unwatched import record_watching
from api.alerts.wishes import ResolvedWish, is_free_to_enable, resolve_wish
from api.ground.errors import ApiError, invalid, not_found
from api.ground.messages import ask_catch_up_later, write_message
from api.ground.schemas import FieldError
from api.models.alert import REOPENS, Alert, AlertTarget, ClosedBecause
from api.models.base import new_id
from api.models.desk import DeskChange
from api.models.organisation_access import WebhookEvent
from api.models.user import User
from configs.ground.clock import clock
from configs.world.plan import PlanName

_KIND = "last_way_stopped"
_REPEATED = timedelta(minutes=10)  # in which the same wish is a form or a request that was sent twice


def stop_alerts(session: Session, user_id: UUID, alert_ids: Collection[UUID]) -> None:
    """Stop a user's alerts; a repetition changes nothing."""
    lock_user(session, user_id)
    stopped = []
    for alert_id in sorted(alert_ids):
        alert = session.get(Alert, alert_id, with_for_update=True, populate_existing=True)
        if alert and alert.closed_at is None:
            close_alert(session, alert, ClosedBecause.STOPPED)
            stopped.append(str(alert_id))
    session.flush()
    if stopped:
        _report_last(session, user_id, stopped)


def _report_last(session: Session, user_id: UUID, stopped: list[str]) -> None:
    now = clock()
    if find_entitlement(session, user_id, now).plan.name is PlanName.NONE or has_waiting(session, user_id):
        return
    params = {"at": now.isoformat(), "alerts": stopped}
    # One an hour: the link of a mail can be followed and undone without end.
    key = f"{_KIND}:{stopped[0]}:{now:%Y-%m-%dT%H}"
    write_message(session, user_id, _KIND, params, key)


def has_waiting(session: Session, user_id: UUID, besides: Collection[UUID] = ()) -> bool:
    """Return whether an alert of the user waits for slots, besides these."""
    waiting = sa.select(Alert.id).where(
        Alert.user_id == user_id, Alert.enabled, Alert.closed_at.is_(None), Alert.id.not_in(besides)
    )
    return session.scalar(waiting.limit(1)) is not None


def has_stopped_last(session: Session, user_id: UUID) -> bool:
    """Return whether no alert of the user waits and a link stopped one: nothing will be sent."""
    by_link = sa.select(Alert.id).where(
        Alert.user_id == user_id, Alert.closed_because == ClosedBecause.STOPPED
    )
    return not has_waiting(session, user_id) and session.scalar(by_link.limit(1)) is not None


def take_wish(session: Session, user_id: UUID, wish: NewAlert) -> Alert:
    """Return the alert of a request for one, by the API or a page: a new one, or the same that was made a moment ago.

    The user's row is locked, so that of two requests at once the second finds the alert of the first.

    Raises:
        ApiError: as for `resolve_wish`, `create_alert` and `change_voice`.
    """
    found = resolve_wish(session, wish)
    lock_user(session, user_id)
    alert = _find_repeated(session, user_id, found) or create_alert(session, user_id, found)
    alert.language = wish.language or alert.language
    if wish.voice.enabled:
        change_voice(session, alert, wish.voice)
    return alert


def _find_repeated(session: Session, user_id: UUID, found: ResolvedWish) -> Alert | None:
    # One that was paused does not watch, so it is no answer
    is_watched = Alert.enabled | Alert.awaits_watch
    lately = select_open(user_id).where(is_watched, Alert.created_at > clock() - _REPEATED)
    wanted = describe_targets(found.targets)
    same = (
        each
        for each in session.scalars(lately)
        if each.name == found.wish.name and describe_targets(each.targets) == wanted
    )
    return next(same, None)


def create_alert(
    session: Session,
    user_id: UUID,
    found: ResolvedWish,
    *,
    paused: bool = False,
    needs_plan: bool = True,
) -> Alert:
    """Add an alert. Where no check can watch it, people's reports serve it, or it waits if the wish accepts that.

    One that is `paused` needs no plan, nor does one whose plan was bought and begins later.

    Raises:
        ApiError: 422 where nothing can be watched; 402 or 409, see `check_plan` and `check_waiting_count`; 429, too
            many today.
    """
    found.check()
    lock_user(session, user_id)
    ensure_not_suspended(session, user_id)
    begun = sa.update(User).where(User.id == user_id, User.wished_page.is_not(None))
    session.execute(begun.values(wished_page=None))
    if found.must_wait:
        check_waiting_count(session, user_id, is_free=found.is_free)
    elif needs_plan and not paused:
        check_plan(session, user_id, found.place.id)
    check_alert_count(session, user_id)
    check_made_today(session, user_id)
    drop_oldest_closed(session, user_id)
    alert = add_unchecked(session, user_id, found, paused=paused)
    session.flush()
    return alert


def add_unchecked(session: Session, user_id: UUID, found: ResolvedWish, *, paused: bool) -> Alert:
    """Add an alert that no limit forbids, as the first of somebody new with a plan; it is written with the next flush.

    Raises:
        ApiError: 422 where nothing can be watched.
    """
    found.check()
    wish, is_free = found.wish, found.is_free
    waiting = found.must_wait and not is_free
    alert = Alert(
        id=new_id(),
        user_id=user_id,
        name=wish.name,
        language=wish.language,
        targets=found.targets,
        created_at=clock(),
        enabled=is_free or not (waiting or paused),
        awaits_watch=waiting,
        is_free=is_free,
    )
    note_health_consent(alert, found.targets)
    session.add(alert)
    record_desk_changes(session, alert, "alert created")
    if alert.enabled:
        ask_catch_up_later(session, [alert.id])
    return alert


def switch_alert(session: Session, user_id: UUID, alert_id: UUID, *, enabled: bool | None = None) -> Alert:
    """Pause or enable an alert, without `enabled` whichever it is not.

    One that is so already, or waits for a watch and is to pause, stays as it is.

    Raises:
        ApiError: 404; 409 where no desk of it can be watched; 402 or 409 as in `check_plan`.
    """
    lock_user(session, user_id)
    alert = get_owned(session, user_id, alert_id)
    if alert.enabled is not enabled:
        _switch(session, alert, enabled=not alert.enabled)
    return alert


def _switch(session: Session, alert: Alert, *, enabled: bool) -> None:
    if enabled:
        ensure_not_suspended(session, alert.user_id)
    is_free = enabled and is_free_to_enable(session, alert)
    if is_free and not alert.awaits_watch:
        check_waiting_count(session, alert.user_id, is_free=True)
    if enabled and not is_free:
        check_plan(session, alert.user_id, get_prefecture_id(alert.targets))
    record_watching(session, alert.user_id)
    alert.enabled, alert.awaits_watch, alert.is_free = enabled, False, is_free
    alert.watched_since = clock()
    record_desk_changes(session, alert, "alert enabled" if enabled else "alert paused")
    if enabled:
        ask_catch_up_later(session, [alert.id])


def delete_alert(session: Session, user_id: UUID, alert_id: UUID) -> None:
    """Close an alert for good.

    Raises:
        ApiError: 404.
    """
    lock_user(session, user_id)
    close_alert(session, get_owned(session, user_id, alert_id), ClosedBecause.DELETED)


def close_alert(session: Session, alert: Alert, because: ClosedBecause) -> None:
    """Close an alert; a closed one keeps its reason."""
    if alert.closed_at is None:
        record_watching(session, alert.user_id)
        alert.closed_at, alert.closed_because = clock(), because
        if alert.consented_at:
            erase_health_texts(session, alert.user_id)
        if because is ClosedBecause.FOUND:
            notifier.write_event(session, WebhookEvent.PERSON_FOUND, {alert.user_id: alert.id}, clock())
        record_desk_changes(session, alert, f"alert {because}")


def reopen_alert(session: Session, alert: Alert) -> None:
    """Open an alert that a link stopped within the last day; others stay as they are.

    Raises:
        ApiError: 402 or 409 as in `check_plan`; 409 beyond the alerts that a user keeps.
    """
    lock_user(session, alert.user_id)
    session.refresh(alert, with_for_update=True)
    if may_reopen(alert):
        open_again(session, alert)


def open_again(session: Session, alert: Alert) -> None:
    """Open a closed alert; the caller holds the locks of its user's row and its own.

    Raises:
        ApiError: as for `reopen_alert`.
    """
    ensure_not_suspended(session, alert.user_id)
    check_alert_count(session, alert.user_id)
    if alert.awaits_watch or alert.is_free:
        check_waiting_count(session, alert.user_id, is_free=alert.is_free)
    if alert.enabled and not alert.is_free:
        check_plan(session, alert.user_id, get_prefecture_id(alert.targets))
    alert.closed_at, alert.closed_because, alert.watched_since = None, None, clock()
    record_desk_changes(session, alert, "alert reopened")
    if alert.enabled:
        ask_catch_up_later(session, [alert.id])


def may_reopen(alert: Alert) -> bool:
    """Return whether a link stopped an alert so lately that a link may open it again."""
    if alert.closed_at is None or alert.closed_because is not ClosedBecause.STOPPED:
        return False
    return alert.closed_at > clock() - REOPENS


def record_desk_changes(session: Session, alert: Alert, reason: str) -> None:
    """Write a line for the planner for each desk of the alert."""
    session.add_all(DeskChange(desk_id=desk.id, reason=reason) for desk in find_watched_desks(alert.targets))


def wake_alerts(session: Session, user_id: UUID, reason: str) -> None:
    """Write lines for the planner for all enabled alerts of a user, which are caught up after the commit."""
    waiting = session.scalars(select_waiting(user_id)).all()
    for alert in waiting:
        record_desk_changes(session, alert, reason)
    ask_catch_up_later(session, [alert.id for alert in waiting])


def get_open(session: Session, user_id: UUID, alert_id: UUID) -> Alert:
    """Return a user's alert, its row locked: a link in a message may close it meanwhile.

    Raises:
        ApiError: 404; 409 where it is closed.
    """
    alert = session.get(Alert, alert_id, with_for_update=True)
    if alert is None or alert.user_id != user_id:
        raise not_found("alert")
    if alert.closed_at is not None:
        raise ApiError(409, "alert-closed", "this alert is closed for good: create another one")
    return alert


def get_owned(session: Session, user_id: UUID, alert_id: UUID) -> Alert:
    """Return a user's alert that is not over, its row locked: a link in a message may close it meanwhile.

    Raises:
        ApiError: 404.
    """
    alert = session.get(Alert, alert_id, with_for_update=True)
    if alert is None or alert.user_id != user_id or alert.closed_at is not None:
        raise not_found("alert")
    return alert


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
    if waiting:
        ensure_not_suspended(session, alert.user_id)
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


def change_voice(session: Session, alert: Alert, wish: Voice) -> None:
    """Switch the calls of an alert on or off.

    Only switching them on needs a plan and a number: a form sends again what an alert has.

    Raises:
        ApiError: 402 where no plan of the user has calls, 409 without a confirmed number.
    """
    if wish.enabled and not alert.voice_enabled:
        check_calls(read_call_offer(session, alert.user_id))
    alert.voice_enabled = wish.enabled
