"""Explicit consent of alerts whose desks reveal health; erasure of messages about these desks once it has ended."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from api.accounts.consents import HEALTH, describe_consent
from api.alerts.schemas import NewAlert
from api.alerts.targets import get_prefecture_id, select_open
from api.ground.errors import invalid
from api.ground.schemas import FieldError
from api.models.alert import Alert, AlertTarget
from api.models.base import is_any_of
from api.models.notification import Notice, Notification, State
from api.models.slot import Detection
from configs.ground.clock import clock
from configs.world.desk import Desk, Procedure
from configs.world.prefecture import Prefecture, desks, prefectures

# Kinds that may speak of any desk of their reader's alerts, and whose rows name none.
_OF_ANY_DESK = ("slot_gone", "slot_answered", "bot_reply", "test_message")


def check_health_consent(wish: NewAlert, place: Prefecture) -> None:
    """Refuse a wish that reveals health and has no consent.

    Raises:
        ApiError: 422, `health_consent`.
    """
    found = None if wish.accept_health else next(find_revealing_desks(wish, place), None)
    if found:
        detail = f"what is known of {found.id} reveals health: ask for explicit consent, and send acceptHealth: true"
        raise invalid(FieldError(path="acceptHealth", rule="health_consent", detail=detail))


def find_revealing_desks(wish: NewAlert, place: Prefecture) -> Iterator[Desk]:
    """Yield the desks for which a wish needs explicit consent."""
    return _find_revealing(wish.desk_ids, wish.procedures, place)


def note_health_consent(alert: Alert, targets: list[AlertTarget]) -> None:
    """Note the consent of an alert whose new targets need one; it keeps the time of an earlier consent."""
    if next(_find_revealing_targets(targets), None) is None:
        alert.consent = alert.consented_at = None
    elif alert.consented_at is None:
        alert.consented_at = clock()
        alert.consent = {HEALTH: describe_consent(HEALTH, "alert", alert.consented_at)}


def note_ordered_consent(alert: Alert, given_at: datetime) -> None:
    """Date the consent of an alert that a payment creates, if it needs one, by its order."""
    if alert.consent:
        alert.consented_at = given_at
        alert.consent = {HEALTH: describe_consent(HEALTH, "order", given_at)}


def list_revealing(targets: list[AlertTarget]) -> set[str]:
    """Return the desks of an alert's targets to which it needs consent."""
    return {desk.id for desk in _find_revealing_targets(targets)}


def _find_revealing_targets(targets: list[AlertTarget]) -> Iterator[Desk]:
    """Yield the desks of an alert's targets that need consent."""
    place = prefectures().get(get_prefecture_id(targets)) if targets else None
    desk_ids = [each.desk_id for each in targets if each.desk_id]
    procedures = [each.procedure for each in targets if each.procedure]
    return _find_revealing(desk_ids, procedures, place) if place else iter(())


def _find_revealing(
    desk_ids: Iterable[str], procedures: Iterable[Procedure], place: Prefecture
) -> Iterator[Desk]:
    """Yield desks that are waited for by name and reveal health, or that alone serve a procedure there."""
    named = set(desk_ids)
    yield from (desk for desk in place.desks if desk.id in named and desk.reveals_health)
    for procedure in procedures:
        serving = [desk for desk in place.desks if procedure in desk.procedures]
        if all(desk.reveals_health for desk in serving):
            yield from serving


def erase_health_texts(session: Session, user_id: UUID, kinds: Collection[str] = _OF_ANY_DESK) -> None:
    """Erase messages' texts and notices about desks whose names reveal health, where no open alert has consent to them.

    Messages' rows name these desks no more. Call it where such a consent ends, and again within two days: rows that a
    worker holds meanwhile are left out, as it may wait for the user's row. `kinds`: those that are erased whatever desk
    they speak of.
    """
    session.flush()
    ended = _list_without_consent(session, user_id)
    named = aliased(Notification)
    # Several alerts may have left as one message, whose words each of their rows has
    same = sa.exists().where(
        named.user_id == user_id,
        _names(named, ended),
        sa.or_(named.text == Notification.text, named.provider_id == Notification.provider_id),
    )
    has_text = sa.and_(Notification.text.is_not(None), sa.or_(Notification.kind.in_(kinds), same))
    mine = sa.select(Notification.id).where(
        Notification.user_id == user_id,
        Notification.state.not_in((State.PENDING, State.SENDING)),
        sa.or_(_names(Notification, ended), has_text),
    )
    found = session.scalars(mine.with_for_update(skip_locked=True, of=Notification)).all()
    detections = sa.select(Detection.id).where(Detection.desk_id.in_(ended))
    told = sa.exists().where(
        named.user_id == user_id,
        _names(named, ended),
        sa.func.starts_with(named.dedupe_key, Notice.dedupe_key + ":"),
    )
    about = sa.or_(Notice.detection_id.in_(detections), told)
    session.execute(sa.delete(Notice).where(Notice.user_id == user_id, about))
    session.execute(
        sa.update(Notification)
        .where(is_any_of(Notification.id, found))
        .values(title=None, text=None, params=_unname(ended))
    )


def _unname(desk_ids: Iterable[str]) -> sa.ColumnElement[Any]:
    """Return the params of a message's row with nothing in place of these desks."""
    params: sa.ColumnElement[str] = sa.cast(Notification.params, sa.Text)
    for each in desk_ids:
        params = sa.func.replace(params, f'"{each}"', '""')
    return sa.cast(params, JSONB)


def _names(row: type[Notification], desk_ids: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a message's row names one of these desks."""
    params = sa.cast(row.params, sa.Text)
    return sa.or_(sa.false(), *(params.contains(f'"{each}"', autoescape=True) for each in desk_ids))


def _list_without_consent(session: Session, user_id: UUID) -> list[str]:
    """Return the desks whose names reveal health, but for those to which an open alert of the user has consent."""
    consented = session.scalars(select_open(user_id).where(Alert.consented_at.is_not(None)))
    kept = {desk_id for alert in consented for desk_id in list_revealing(alert.targets)}
    return [each.id for each in desks().values() if each.reveals_health and each.id not in kept]
