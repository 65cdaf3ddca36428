"""Targets of alerts: their desks, and the limits of slots."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from api.alerts.schemas import Limits
from api.models.alert import Alert, AlertTarget
from api.models.alert import Limits as TargetLimits
from configs.world.desk import Desk
from configs.world.prefecture import prefectures

_COLUMNS = ("prefecture_id", "procedure", "desk_id", *(each.name for each in fields(TargetLimits)))


def select_open(user_id: UUID) -> sa.Select[Alert]:
    """Select the alerts of a user that are not over, with their targets."""
    is_open = (Alert.user_id == user_id, Alert.closed_at.is_(None))
    return sa.select(Alert).where(*is_open).options(selectinload(Alert.targets))


def select_waiting(user_id: UUID) -> sa.Select[Alert]:
    """Select the alerts of a user that wait for slots, with their targets."""
    return select_open(user_id).where(Alert.enabled)


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


def describe_targets(targets: Iterable[AlertTarget]) -> set[tuple[object, ...]]:
    """Return what targets are about, to compare them with others."""
    return {
        tuple(
            tuple(value) if isinstance(value, list) else value
            for value in map(target.__getattribute__, _COLUMNS)
        )
        for target in targets
    }


def build_columns(limits: Limits) -> dict[str, Any]:
    """Return the limits as columns; an empty list is null."""
    return {name: None if value == [] else value for name, value in limits}


def read_limits(target: AlertTarget) -> Limits:
    """Return the limits that all targets of an alert share; they were validated when they were written."""
    own = {name: getattr(target, name) for name in Limits.model_fields}
    return Limits.model_construct(**own | {"weekdays": target.weekdays or [], "sites": target.sites or []})
