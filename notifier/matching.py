"""Which alerts want which open slots: the queries, and the choice, which is pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from itertools import groupby
from typing import TypeVarTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.models.alert import Alert, AlertTarget, Limits, Moment
from api.models.base import among
from api.models.notification import Match, MatchSlot, Notification, NotificationMatch, State
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import Grant
from configs.prefecture import Procedure
from notifier.verdicts import USED_UP

Asked = TypeVarTuple("Asked")
_LIMITS = [getattr(AlertTarget, each.name) for each in fields(Limits)]
# A notification that ended so told nobody anything.
_UNSAID = (State.EXPIRED, State.SKIPPED)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One target of an entitled alert that is about the desk; its limits are not looked at yet."""

    alert_id: UUID
    user_id: UUID
    limits_version: int
    language: str | None
    limits: Limits
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """An alert and the slots that it wants and was not told of."""

    alert_id: UUID
    user_id: UUID
    limits_version: int
    language: str | None
    slots: tuple[int, ...]
    name: str | None = None


def candidates(
    session: Session,
    detection: Detection,
    entitled_at: datetime,
    alert_ids: Collection[UUID] | None = None,
    most: int | None = None,
) -> list[Candidate]:
    """Return the targets that name the desk or one of its procedures, of alerts that wait and whose user is entitled.

    `alert_ids` asks for those alerts only. Ordered by alert. Of more than `most` targets any so many are returned,
    and one more.
    """
    query = sa.select(Alert.id, Alert.user_id, Alert.limits_version, Alert.language, Alert.name, *_LIMITS)
    query = waiting(query, detection, entitled_at)
    if alert_ids is not None:
        query = query.where(among(Alert.id, alert_ids))
    query = query.order_by(Alert.id, AlertTarget.id) if most is None else query.limit(most + 1)
    rows = session.execute(query)
    found = [Candidate(row[0], row[1], row[2], row[3], Limits(*row[5:]), row[4]) for row in rows]
    return sorted(found, key=lambda each: each.alert_id) if most is not None else found


def waiting(query: sa.Select[*Asked], detection: Detection, entitled_at: datetime) -> sa.Select[*Asked]:
    """Narrow a query for alerts to those that wait at a detection's desk and whose user is entitled.

    Most who wait hold no plan: whose targets are here and who is entitled is found in indexes alone, so that rows are
    read of those few only.
    """
    here = _targets_at(detection).subquery()
    return (
        query.join(here, here.c.alert_id == Alert.id)
        .join(AlertTarget, AlertTarget.id == here.c.id)
        .where(Alert.enabled, Alert.closed_at.is_(None), _entitled(entitled_at))
    )


def _targets_at(detection: Detection) -> sa.CompoundSelect[UUID, UUID]:
    """Ask for targets that name the desk, or one of its procedures: no target does both, so none comes twice."""
    known = [Procedure(name) for name in detection.procedures if name in Procedure.__members__.values()]
    target = sa.select(AlertTarget.id, AlertTarget.alert_id)
    return sa.union_all(
        target.where(AlertTarget.desk_id == detection.desk_id),
        target.where(
            AlertTarget.desk_id.is_(None),
            AlertTarget.prefecture_id == detection.prefecture_id,
            AlertTarget.procedure.in_(known),
        ),
    )


def _entitled(moment: datetime) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        Grant.user_id == Alert.user_id, Grant.starts_at <= moment, Grant.ends_at > moment
    )


def told(
    session: Session, slot_ids: Sequence[int], alert_ids: Sequence[UUID], since: datetime
) -> set[tuple[UUID, int]]:
    """Return which (alert, slot) need no telling.

    Either the alert was told of this very opening, or that the place is open when these were its unknown hours, or
    of an earlier opening of the same desk, place and moment `since` then. A match whose notifications all expired
    or were skipped told nobody; one that its provider would not take, nobody since `since`.
    """
    before = aliased(SlotRow)
    hours_of = sa.and_(
        before.moment == "open",
        before.gone_reason == GoneReason.SUPERSEDED,
        before.gone_at >= SlotRow.opened_at,
    )
    related = sa.and_(
        before.desk_id == SlotRow.desk_id,
        before.place_key == SlotRow.place_key,
        sa.or_(before.moment == SlotRow.moment, hours_of),
    )
    said = sa.exists().where(
        NotificationMatch.match_id == Match.id,
        Notification.id == NotificationMatch.notification_id,
        Notification.matched_at == MatchSlot.decided_at,
        Notification.state.not_in(_UNSAID),
        sa.or_(
            Notification.state != State.FAILED,
            Notification.reason.not_like(f"{USED_UP}%"),
            MatchSlot.decided_at > since,
        ),
    )
    query = (
        sa.select(Match.alert_id, SlotRow.id)
        .select_from(SlotRow)
        .join(before, related)
        .join(MatchSlot, MatchSlot.slot_id == before.id)
        .join(Match, Match.id == MatchSlot.match_id)
        .where(SlotRow.id.in_(slot_ids), among(Match.alert_id, alert_ids), said)
        .where(sa.or_(before.id == SlotRow.id, hours_of, MatchSlot.decided_at > since))
    )
    return {(row.alert_id, row.id) for row in session.execute(query)}


def moment_of(slot: SlotRow, zone: ZoneInfo, site: str | None) -> Moment:
    """Return a slot as limits see it: the desk's local date and hour, as far as they are known."""
    if slot.starts_at is not None:
        local = slot.starts_at.astimezone(zone)
        return Moment(local.date(), local.time(), site)
    if slot.moment == "open":
        return Moment(site=site)
    return Moment(date.fromisoformat(slot.moment[:10]), site=site)


def choose(
    found: Iterable[Candidate], moments: Mapping[int, Moment], known: Collection[tuple[UUID, int]]
) -> list[Wish]:
    """Return what each alert is to be told of; alerts without such a slot are left out.

    `found` is ordered by alert, `moments` are the open slots by id, `known` is what `told` returned.
    """
    wishes = []
    for alert_id, group in groupby(found, key=lambda each: each.alert_id):
        targets = list(group)
        slots = tuple(
            slot_id
            for slot_id, moment in moments.items()
            if (alert_id, slot_id) not in known and any(each.limits.let_pass(moment) for each in targets)
        )
        if slots:
            first = targets[0]
            wishes.append(
                Wish(alert_id, first.user_id, first.limits_version, first.language, slots, first.name)
            )
    return wishes
