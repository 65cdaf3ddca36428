"""Targets of alerts: their desks, and the limits of slots."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from api.alerts.schemas import Limits, NewAlert
from api.ground.errors import invalid
from api.ground.schemas import FieldError
from api.models.alert import Alert, AlertTarget
from api.models.alert import Limits as TargetLimits
from configs.ground.clock import clock
from configs.world.desk import Desk, zone_of
from configs.world.prefecture import (
    Prefecture,
    UnknownDesk,
    UnknownPrefecture,
    desk,
    prefecture,
    prefectures,
)

_COLUMNS = ("prefecture_id", "procedure", "desk_id", *(each.name for each in fields(TargetLimits)))


def build_targets(wish: NewAlert) -> list[AlertTarget]:
    """Return the targets with their limits, not yet in a session.

    Raises:
        ApiError: 422, naming each wrong field and its possible values.
    """
    place = find_prefecture(wish)
    if errors := list(_check_desks(wish, place)):
        raise invalid(*errors)
    limits = _build_columns(wish.limits)
    targets = [
        *(AlertTarget(prefecture_id=place.id, procedure=each, **limits) for each in wish.procedures),
        *(AlertTarget(desk_id=each, **limits) for each in dict.fromkeys(wish.desk_ids)),
    ]
    if errors := list(_check_limits(wish.limits, place, find_desks(targets))):
        raise invalid(*errors)
    return targets


def select_waiting(user_id: UUID) -> sa.Select[Alert]:
    """Select the alerts of a user that wait for slots, with their targets."""
    waits = (Alert.user_id == user_id, Alert.enabled, Alert.closed_at.is_(None))
    return sa.select(Alert).where(*waits).options(selectinload(Alert.targets))


def find_watched_desks(targets: Iterable[AlertTarget]) -> list[Desk]:
    """Return the watched desks of these targets, in the order of their ids."""
    return [each for each in find_desks(targets) if each.schedulable]


def find_desks(targets: Iterable[AlertTarget]) -> list[Desk]:
    """Return all desks of these targets that the files have, in the order of their ids."""
    wanted = list(targets)
    place = prefectures().get(get_prefecture_id(wanted))
    return [
        each
        for each in sorted(place.desks if place else (), key=lambda known: known.id)
        if any(
            target.covers_desk(desk_id=each.id, prefecture_id=each.prefecture_id, procedures=each.procedures)
            for target in wanted
        )
    ]


def get_prefecture_id(targets: Iterable[AlertTarget]) -> str:
    """Return the id of the prefecture of these targets: an alert has one."""
    target = next(iter(targets))
    return target.prefecture_id or str(target.desk_id).partition("/")[0]


def find_prefecture(wish: NewAlert) -> Prefecture:
    """Return the prefecture of a requested alert.

    Raises:
        ApiError: 422, there is no such prefecture or desk.
    """
    try:
        if wish.prefecture_id is not None:
            return prefecture(wish.prefecture_id)
        return prefecture(desk(wish.desk_ids[0]).prefecture_id)
    except UnknownPrefecture as error:
        raise invalid(FieldError(path="prefectureId", rule="unknown", detail=str(error))) from None
    except UnknownDesk as error:
        raise invalid(FieldError(path="deskIds.0", rule="unknown", detail=str(error))) from None


def _check_desks(wish: NewAlert, place: Prefecture) -> Iterator[FieldError]:
    known = sorted(each.id for each in place.desks)
    for index, desk_id in enumerate(wish.desk_ids):
        if desk_id not in known:
            detail = f"{desk_id!r} is no desk of {place.id}; {_enumerate('its desks', known)}"
            yield FieldError(path=f"deskIds.{index}", rule="unknown", detail=detail)


def _check_limits(limits: Limits, place: Prefecture, about: list[Desk]) -> Iterator[FieldError]:
    sites = sorted({known.site for known in about if known.site})
    for index, site in enumerate(limits.sites):
        if site not in sites:
            detail = f"these desks are not at {site!r}; {_enumerate('their sites', sites)}"
            yield FieldError(path=f"limits.sites.{index}", rule="unknown", detail=detail)
    today = clock().astimezone(zone_of(place.time_zone)).date()
    if limits.date_to and limits.date_to < today:
        yield FieldError(path="limits.dateTo", rule="past", detail="this day is over: choose a later one")
    elif not limits.leaves_days(today):
        detail = "none of these weekdays lies between today and dateTo: no slot could pass"
        yield FieldError(path="limits.weekdays", rule="excludes_everything", detail=detail)


def describe_targets(targets: Iterable[AlertTarget]) -> set[tuple[object, ...]]:
    """Return what targets are about, to compare them with others."""
    return {
        tuple(
            tuple(value) if isinstance(value, list) else value
            for value in map(target.__getattribute__, _COLUMNS)
        )
        for target in targets
    }


def _enumerate(what: str, values: Iterable[str]) -> str:
    return f"{what}: {', '.join(values) or 'none'}"


def _build_columns(limits: Limits) -> dict[str, Any]:
    """Return the limits as columns; an empty list is null."""
    return {name: None if value == [] else value for name, value in limits}


def read_limits(target: AlertTarget) -> Limits:
    """Return the limits that all targets of an alert share; they were validated when they were written."""
    return Limits.model_construct(
        date_from=target.date_from,
        date_to=target.date_to,
        weekdays=target.weekdays or [],
        hour_from=target.hour_from,
        hour_to=target.hour_to,
        sites=target.sites or [],
    )
