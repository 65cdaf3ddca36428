"""Matching of alerts with open slots: the queries, and the choice, which is pure.

Composing a query took longer than its answer, so a process composes once what every detection asks.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, INT8MULTIRANGE
from sqlalchemy.orm import Session, aliased

from api.models.alert import FREE_ALERTS, Alert, AlertTarget, Limits, Moment
from api.models.base import UuidArray
from api.models.desk import Source
from api.models.notification import (
    PAID_CHANNELS,
    Match,
    Notification,
    State,
    is_told,
    read_ranges,
    write_ranges,
)
from api.models.report import Report, ReportKind, ReportState
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import Grant, User
from api.models.watchability import is_desk_reported
from configs.world.desk import Procedure
from notifier.content.message_kind_base import SLOT_DETECTED

_PAID_AGAIN = timedelta(hours=5.5)  # bounced SMS and calls are repeated this much later: each costs
# Matches are searched from this long before a slot opened: the clocks of crawler and database differ.
_CLOCKS_DIFFER = timedelta(days=1)
# Whose own look saw the same slots that long before is not told of them.
_OWN_LOOK = timedelta(minutes=10)

_LIMITS = [getattr(AlertTarget, each.name) for each in fields(Limits)]


@dataclass(slots=True)
class OpenSlots:
    """Open slots of one desk, for thousands of alerts, most with the same limits and the same history.

    All by the slot's id: `moments`, the slots as limits see them; `rows`; `alike`, the ids of gone slots that count
    as the same slot.
    """

    moments: Mapping[int, Moment]
    oldest: datetime
    alike: Mapping[int, Sequence[int]] = field(default_factory=dict)
    rows: Mapping[int, SlotRow] = field(default_factory=dict)
    _passing: dict[Any, frozenset[int]] = field(default_factory=dict, init=False)
    _found: dict[str, frozenset[int]] = field(default_factory=dict, init=False)

    @property
    def all_ids(self) -> set[int]:
        """Return their ids, and those of the gone slots that count as one of them."""
        return {*self.moments, *(gone for several in self.alike.values() for gone in several)}

    def find_passing(self, limits: Limits) -> frozenset[int]:
        """Return the ids of the slots that the limits let pass."""
        days = limits.date_from, limits.date_to, tuple(limits.weekdays or ())
        key = days, limits.hour_from, limits.hour_to, tuple(limits.sites or ())
        if key not in self._passing:
            passing = (each for each, moment in self.moments.items() if limits.matches(moment))
            self._passing[key] = frozenset(passing)
        return self._passing[key]

    def find_alike(self, ranges: str) -> frozenset[int]:
        """Return the ids of the slots whose id, or that of a gone slot alike, is in these ranges."""
        if ranges not in self._found:
            known = {slot for span in read_ranges(ranges) for slot in span}
            self._found[ranges] = frozenset(
                each
                for each in self.moments
                if each in known or not known.isdisjoint(self.alike.get(each, ()))
            )
        return self._found[ranges]


class Candidate(NamedTuple):
    """One target of an entitled alert that is about the desk; its limits are not applied yet."""

    alert_id: UUID
    user_id: UUID
    limits_version: int
    language: str | None
    limits: Limits
    name: str | None = None
    wants_call: bool = False


class MatchedBefore(NamedTuple):
    """Open slots that an alert was matched with before: all (`matched`), and those that a message announced (`told`).

    The rest had no contact in use, or their messages failed, bounced, expired or were skipped.
    """

    told: frozenset[int] = frozenset()
    matched: frozenset[int] = frozenset()


_NOTHING = MatchedBefore()


@dataclass(frozen=True, slots=True)
class WantedSlots:
    """An alert, by one of its targets, with the slots that it wants and was not notified of."""

    alert: Candidate
    slots: tuple[int, ...]
    is_new: bool  # some of them it was never matched with


def candidates(
    session: Session,
    detection: Detection,
    entitled_at: datetime,
    alert_ids: Collection[UUID] | None = None,
    most: int | None = None,
    *,
    in_doubt: bool = False,
) -> list[Candidate]:
    """Return the targets that name the desk or one of its procedures, of alerts that wait and whose user is entitled.

    What people report needs no plan, and is told while they may look at the desk: an operator's stop ends that.
    `alert_ids` asks for those alerts only, `in_doubt` for those whose users are told what is. Ordered by alert. At most
    `most` + 1 targets are returned; if there are more, which ones is undefined.
    """
    is_report = detection.source is Source.REPORT
    if is_report and not is_desk_reported(session, detection.desk_id):
        return []
    query = _select_candidates(
        some=alert_ids is not None, ordered=most is None, is_report=is_report, in_doubt=in_doubt
    )
    given = of_waiting(detection, entitled_at) | {"alert_ids": alert_ids, "most": (most or 0) + 1}
    found = [
        Candidate(alert_id, user_id, version, language, Limits(*limits), name, wants_call)
        for alert_id, user_id, version, language, *limits, name, wants_call in session.execute(query, given)
    ]
    return found if most is None else sorted(found, key=lambda each: each.alert_id)


@lru_cache(maxsize=8)
def _select_candidates(
    *, some: bool, ordered: bool, is_report: bool, in_doubt: bool
) -> sa.Select[*tuple[Any, ...]]:
    first = Alert.id, Alert.user_id, Alert.limits_version, Alert.language
    query = select_waiting(
        (*first, *_LIMITS, Alert.name, Alert.voice_enabled),
        some=some,
        is_report=is_report,
        in_doubt=in_doubt,
    )
    return query.order_by(Alert.id, AlertTarget.id) if ordered else query.limit(sa.bindparam("most"))


def of_waiting(detection: Detection, entitled_at: datetime) -> dict[str, Any]:
    """Return what `select_waiting` is given: whose user is entitled at a moment, to be told of this desk."""
    return {
        "desk_id": detection.desk_id,
        "prefecture_id": detection.prefecture_id,
        "procedures": sorted({*detection.procedures} & {*Procedure}),
        "entitled_at": entitled_at,
        "looked_since": detection.seen_at - _OWN_LOOK,
    }


def select_waiting(
    columns: Sequence[Any], *, some: bool = False, is_report: bool = False, in_doubt: bool = False
) -> sa.Select[*tuple[Any, ...]]:
    """Return the query for alerts (all, or `some` that are named) that wait at a desk and whose user is entitled.

    What people report (`is_report`) needs no plan: three alerts of a person are told of it without one. Who has just
    reported the same is told nothing.

    Most users who wait hold no plan, so targets and grants are found by indexes alone, and rows are read of the few
    entitled only. For `some`, a part of a crowd, only the targets of these alerts are read.
    """
    target, given = AlertTarget, sa.bindparam
    at_desk = target.desk_id == given("desk_id")
    by_procedure = sa.and_(
        target.desk_id.is_(None),
        target.prefecture_id == given("prefecture_id"),
        target.procedure == sa.any_(given("procedures", type_=ARRAY(sa.Text()))),
    )
    query = sa.select(*columns)
    if some:
        query = query.join(target, target.alert_id == Alert.id)
        named = Alert.id == sa.any_(given("alert_ids", type_=UuidArray()))
        query = query.where(named, sa.or_(at_desk, by_procedure))
    else:
        ids = sa.select(target.id, target.alert_id)
        # A target names a desk or a procedure, never both: none comes twice.
        here = sa.union_all(ids.where(at_desk), ids.where(by_procedure)).subquery()
        query = query.join(here, here.c.alert_id == Alert.id).join(target, target.id == here.c.id)
    query = query.where(Alert.enabled, Alert.closed_at.is_(None))
    if in_doubt:
        wishes_it = sa.select(User.id).where(User.id == Alert.user_id, User.told_in_doubt)
        query = query.where(wishes_it.exists())
    at: sa.BindParameter[datetime] = given("entitled_at")
    entitled = sa.exists().where(Grant.user_id == Alert.user_id, Grant.starts_at <= at, Grant.ends_at > at)
    if not is_report:
        return query.where(entitled)
    own_look = sa.select(Report.user_id).where(
        Report.user_id == Alert.user_id, Report.desk_id == given("desk_id"), Report.kind == ReportKind.SLOTS,
        Report.state == ReportState.COUNTED, Report.seen_at > given("looked_since"),
    )  # fmt: skip
    return query.where(sa.or_(Alert.is_free, entitled, _is_among_free()), ~own_look.exists())


def _is_among_free() -> sa.ColumnElement[bool]:
    """Return whether an alert that outlived its plan is one of its user's FREE_ALERTS, the oldest of such first."""
    other = aliased(Alert)
    before = sa.or_(other.is_free, other.awaits_watch, sa.and_(other.enabled, other.id < Alert.id))
    mine = sa.select(sa.func.count()).where(
        other.user_id == Alert.user_id, other.id != Alert.id, other.closed_at.is_(None), before
    )
    return mine.scalar_subquery() < FREE_ALERTS


@lru_cache(maxsize=1)
def select_alike() -> sa.ColumnElement[list[int]]:
    """Return a column for an open slot: the ids of gone slots of its place that count as the same.

    They are the slot of unknown hour that was superseded when this one opened, or later; and, if this one is of unknown
    hour, the hours that opened after it and lapsed (docs/decisions.md#superseded-slots).
    """
    before = aliased(SlotRow)
    unknown_hours = (
        before.moment == "open",
        before.gone_reason == GoneReason.SUPERSEDED,
        before.gone_at >= SlotRow.opened_at,
    )
    lapsed = (
        before.moment != "open",
        before.gone_reason == GoneReason.LAPSED,
        before.opened_at >= SlotRow.opened_at,
    )
    # CASE: most slots have an hour, and for these the rows of the place are not read.
    known_hours = sa.case((SlotRow.moment == "open", _gone_ids(before, *lapsed)))
    return _gone_ids(before, *unknown_hours).op("||")(known_hours)


def _gone_ids(before: type[SlotRow], *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[list[int]]:
    place = before.desk_id == SlotRow.desk_id, before.place_key == SlotRow.place_key
    query = sa.select(before.id).where(*place, *conditions).correlate(SlotRow)
    return sa.func.array(query.scalar_subquery(), type_=ARRAY(sa.BigInteger()))


def read_matched(
    session: Session,
    slots: OpenSlots,
    alert_ids: Collection[UUID],
    now: datetime,
    *,
    tried_since: datetime,
) -> dict[UUID, MatchedBefore]:
    """Return, by alert, the open slots that it was matched with before; alerts without any are left out.

    A message that failed or bounced counts as not told, unless it was written after `tried_since`; one by SMS or call
    that bounced, after `tried_since` less _PAID_AGAIN.
    """
    given = {
        "tried_since": tried_since,
        "paid_since": tried_since - _PAID_AGAIN,
        "wanted": write_ranges(slots.all_ids),
        "alike": [*(slots.all_ids - slots.moments.keys())],
        "oldest": min(slots.oldest, now),
        "alert_ids": alert_ids,
    }
    return {
        found.id: MatchedBefore(slots.find_alike(found.told or ""), slots.find_alike(found.matched))
        for found in session.execute(_select_matched(), given)
    }


@lru_cache(maxsize=1)
def _select_matched() -> sa.Select[*tuple[Any, ...]]:
    row, given = Notification, sa.bindparam
    failed_lately = sa.and_(
        row.state.in_((State.FAILED, State.BOUNCED)), row.matched_at > given("tried_since")
    )
    came_back = sa.and_(
        row.state == State.BOUNCED, row.channel.in_(PAID_CHANNELS), row.matched_at > given("paid_since")
    )
    told = sa.exists().where(
        row.announcement_id == Match.announcement_id,
        row.kind == SLOT_DETECTED,  # an unanswered call has no effect
        sa.or_(is_told(row), failed_lately, came_back),
    )
    ranges = sa.func.range_agg(Match.slots)
    alike = given("alike", type_=ARRAY(sa.BigInteger()))
    oldest_alike = sa.select(sa.func.min(SlotRow.opened_at)).where(SlotRow.id == sa.any_(alike))
    oldest = sa.func.least(given("oldest", type_=SlotRow.opened_at.type), oldest_alike.scalar_subquery())
    # LATERAL: the matches of each alert by index. A join would read those of the whole crowd for each part of it.
    asked = (
        sa.func.unnest(given("alert_ids", type_=UuidArray()))
        .table_valued("id", name="asked")
        .render_derived()
    )
    matched = (
        sa.select(
            sa.cast(ranges.filter(told), sa.Text).label("told"), sa.cast(ranges, sa.Text).label("matched")
        )
        .select_from(Match)
        .where(Match.alert_id == asked.c.id, Match.decided_at > oldest - _CLOCKS_DIFFER)
        .where(
            sa.type_coerce(Match.slots, INT8MULTIRANGE()).overlaps(given("wanted", type_=INT8MULTIRANGE()))
        )
        .having(sa.func.count() > 0)
        .lateral("matched")
    )
    return (
        sa.select(asked.c.id, matched.c.told, matched.c.matched).select_from(asked).join(matched, sa.true())
    )


def select_slots(
    found: Iterable[Candidate], slots: OpenSlots, known: Mapping[UUID, MatchedBefore]
) -> list[WantedSlots]:
    """Return the slots to notify each alert of; alerts without such a slot are left out.

    `found` is ordered by alert, `known` is what `read_matched` returned.
    """
    wishes = []
    for alert_id, group in groupby(found, key=lambda each: each.alert_id):
        first, *others = group
        wanted, (told, matched) = slots.find_passing(first.limits), known.get(alert_id, _NOTHING)
        for each in others:
            wanted |= slots.find_passing(each.limits)
        if told:
            wanted -= told
        if wanted:
            wishes.append(WantedSlots(first, tuple(sorted(wanted)), not wanted <= matched))
    return wishes
