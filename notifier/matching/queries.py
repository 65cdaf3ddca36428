"""Matching of alerts with open slots: the queries, and the choice, which is pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple, TypeVarTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, INT8MULTIRANGE
from sqlalchemy.orm import Session, aliased

from api.models.alert import Alert, AlertTarget, Limits
from api.models.base import UuidArray, is_any_given
from api.models.encrypted_text import read_stored_address
from api.models.notification import PAID_CHANNELS, Match, Notification, State, is_told, write_ranges
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.ground.message_groups import MessageGroup
from configs.world.plan import PlanName, plan, rank_plan
from configs.world.prefecture import Procedure
from notifier.content.message_kind_base import SLOT_DETECTED
from notifier.content.messages import choose_language
from notifier.content.open_slots import OpenSlots
from notifier.delivery.reader_wishes import chose_times

_PAID_AGAIN = timedelta(hours=5.5)  # later than others: an SMS to a phone that is off costs each time
# How long before a slot opened its matches are looked for: the clocks of crawler and database differ.
_CLOCKS_DIFFER = timedelta(days=1)

Asked = TypeVarTuple("Asked")
_LIMITS = [getattr(AlertTarget, each.name) for each in fields(Limits)]


class Candidate(NamedTuple):
    """One target of an entitled alert that is about the desk; its limits are not looked at yet."""

    alert_id: UUID
    user_id: UUID
    limits_version: int
    language: str | None
    limits: Limits
    name: str | None = None
    wants_call: bool = False


class MatchedBefore(NamedTuple):
    """The open slots that an alert was matched with: those that a message tells of, and all.

    The others were matched while no contact was in use, or their messages ended otherwise.
    """

    told: frozenset[int] = frozenset()
    matched: frozenset[int] = frozenset()


_NOTHING = MatchedBefore()


@dataclass(frozen=True, slots=True)
class WantedSlots:
    """An alert, by one of its targets, with the slots that it wants and was not notified of."""

    alert: Candidate
    slots: tuple[int, ...]
    is_new: bool  # it was not matched with all of them before


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
    query = _select_candidates(named=alert_ids is not None, limited=most is not None)
    given = describe_wait(detection, entitled_at) | {"alert_ids": alert_ids, "most": most and most + 1}
    rows = session.execute(query, given)
    found = [Candidate(row[0], row[1], row[2], row[3], Limits(*row[6:]), row[4], row[5]) for row in rows]
    return sorted(found, key=lambda each: each.alert_id) if most is not None else found


@lru_cache(maxsize=4)
def _select_candidates(*, named: bool, limited: bool) -> sa.Select[*tuple[Any, ...]]:
    of_alert = Alert.id, Alert.user_id, Alert.limits_version, Alert.language, Alert.name, Alert.voice_enabled
    asked = sa.select(*of_alert, *_LIMITS)
    query = _select_waiting_of(asked) if named else select_waiting(asked)
    most = sa.bindparam("most", type_=sa.BigInteger())
    return query.limit(most) if limited else query.order_by(Alert.id, AlertTarget.id)


def select_waiting(query: sa.Select[*Asked]) -> sa.Select[*Asked]:
    """Narrow a query for alerts to those that wait at a desk and whose user is entitled: see `describe_wait`.

    Most who wait hold no plan: whose targets are here and who is entitled is found in indexes alone, so that rows are
    read of those few only.
    """
    here = _select_targets().subquery()
    return (
        query.join(here, here.c.alert_id == Alert.id)
        .join(AlertTarget, AlertTarget.id == here.c.id)
        .where(Alert.enabled, Alert.closed_at.is_(None), _is_entitled())
    )


def _select_waiting_of(query: sa.Select[*Asked]) -> sa.Select[*Asked]:
    """Narrow a query for alerts as `select_waiting` does, to some that are named.

    It begins with these: a part of a crowd does not read the targets of all of it.
    """
    return (
        query.join(AlertTarget, AlertTarget.alert_id == Alert.id)
        .where(is_any_given(Alert.id, "alert_ids"), sa.or_(_names_desk(), _names_procedure()))
        .where(Alert.enabled, Alert.closed_at.is_(None), _is_entitled())
    )


def describe_wait(detection: Detection, entitled_at: datetime) -> dict[str, Any]:
    """Return what `select_waiting` is carried out with: where slots opened, and when a user must be entitled."""
    known = [name for name in detection.procedures if name in Procedure.__members__.values()]
    return {
        "desk_id": detection.desk_id, "prefecture_id": detection.prefecture_id, "procedures": known,
        "entitled_at": entitled_at,
    }  # fmt: skip


def _select_targets() -> sa.CompoundSelect[UUID, UUID]:
    """Ask for targets that name the desk, or one of its procedures: no target does both, so none comes twice."""
    target = sa.select(AlertTarget.id, AlertTarget.alert_id)
    return sa.union_all(target.where(_names_desk()), target.where(_names_procedure()))


def _names_desk() -> sa.ColumnElement[bool]:
    return AlertTarget.desk_id == sa.bindparam("desk_id")


def _names_procedure() -> sa.ColumnElement[bool]:
    return sa.and_(
        AlertTarget.desk_id.is_(None),
        AlertTarget.prefecture_id == sa.bindparam("prefecture_id"),
        AlertTarget.procedure == sa.any_(sa.bindparam("procedures", type_=ARRAY(sa.Text()))),
    )


def _is_entitled() -> sa.ColumnElement[bool]:
    moment = _instant("entitled_at")
    return sa.exists().where(
        Grant.user_id == Alert.user_id, Grant.starts_at <= moment, Grant.ends_at > moment
    )


def select_alike() -> sa.ColumnElement[list[int]]:
    """Return a column for an open slot: the ids of gone slots of its place that count as the same.

    They are those of its place that was open, at unknown hours, until this hour was seen; and of a place that is open
    at unknown hours again, the hours that lapsed meanwhile (docs/decisions.md#superseded-slots).
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
    # By CASE: for an hour, which most slots are, the rows of its place are not read.
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
    """Return by alert the open slots that it was matched with already; of others nothing.

    Messages that failed or bounced tell nobody, unless they were written since `tried_since`, or hours before where
    each costs.
    """
    given = {
        "alert_ids": alert_ids, "wanted": write_ranges(slots.all_ids), "tried": tried_since,
        "paid": tried_since - _PAID_AGAIN,
        "oldest": min(slots.oldest, now), "alike": list(slots.all_ids - slots.moments.keys()),
        "before": _CLOCKS_DIFFER,
    }  # fmt: skip
    rows = session.execute(_select_matched(), given)
    return {
        row.id: MatchedBefore(slots.find_alike(row.told or ""), slots.find_alike(row.matched)) for row in rows
    }


@lru_cache(maxsize=1)
def _select_matched() -> sa.Select[*tuple[Any, ...]]:
    came_back = sa.and_(Notification.state == State.BOUNCED, Notification.channel.in_(PAID_CHANNELS))
    failed_lately = sa.or_(
        sa.and_(
            Notification.state.in_((State.FAILED, State.BOUNCED)), Notification.matched_at > _instant("tried")
        ),
        sa.and_(came_back, Notification.matched_at > _instant("paid")),
    )
    told = sa.exists().where(
        Notification.announcement_id == Match.announcement_id,
        Notification.kind == SLOT_DETECTED,  # an unanswered call has no effect
        sa.or_(is_told(Notification), failed_lately),
    )
    ranges = sa.func.range_agg(Match.slots)
    # Alert by alert, through the index of both: joined, each part of a crowd would read the matches of all of it.
    asked = (
        sa.func.unnest(sa.bindparam("alert_ids", type_=UuidArray()))
        .table_valued("id", name="asked")
        .render_derived()
    )
    wanted = sa.bindparam("wanted", type_=INT8MULTIRANGE())
    alike = SlotRow.id == sa.any_(sa.bindparam("alike", type_=ARRAY(sa.BigInteger())))
    oldest = sa.func.least(
        _instant("oldest"), sa.select(sa.func.min(SlotRow.opened_at)).where(alike).scalar_subquery()
    )
    before = sa.cast(sa.bindparam("before", type_=sa.Interval()), sa.Interval())
    matched = (
        sa.select(
            sa.cast(ranges.filter(told), sa.Text).label("told"), sa.cast(ranges, sa.Text).label("matched")
        )
        .select_from(Match)
        .where(Match.alert_id == asked.c.id, Match.decided_at > oldest - before)
        .where(sa.type_coerce(Match.slots, INT8MULTIRANGE()).overlaps(wanted))
        .having(sa.func.count() > 0)
        .lateral("matched")
    )
    return (
        sa.select(asked.c.id, matched.c.told, matched.c.matched).select_from(asked).join(matched, sa.true())
    )


def _instant(name: str) -> sa.BindParameter[datetime]:
    return sa.bindparam(name, type_=sa.DateTime(timezone=True))


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
            wishes.append(WantedSlots(first, slots.list_ids(wanted), not wanted <= matched))
    return wishes


class Recipient(NamedTuple):
    """A contact that may get a slot alert: one of thousands that are looked at together."""

    contact_id: UUID
    user_id: UUID
    channel: Channel
    language: str  # of its user
    stored_address: str  # as the table has it; see `address`
    # Read again when it is claimed: a slot alert to it waits already, it was switched on again after a spam report or a
    # STOP, or its user may want messages later
    needs_claim: bool = False
    plan_rank: int = 0  # of the highest plan that covers the moment

    @property
    def address(self) -> str:
        """Return the address, decrypted now: of most contacts it is not asked."""
        return read_stored_address(self.stored_address)

    def pick_language(self, wanted: str | None) -> str:
        """Return the language of a slot alert: that of its alert where it has one, else the user's."""
        return choose_language(SLOT_DETECTED, wanted) if wanted else self.language


def recipients(session: Session, user_ids: Collection[UUID], moment: datetime) -> list[Recipient]:
    """Return the reachable contacts of these users on the channels of the plans that cover the moment.

    Those of higher plans are in front.
    """
    found: list[Any] = list(session.execute(_select_reachable(), {"user_ids": user_ids, "moment": moment}))
    reached = [
        Recipient(
            contact_id, user_id, channel, choose_language(SLOT_DETECTED, language), address, needs_claim,
            max(map(rank_plan, plans)),
        )
        for contact_id, user_id, channel, language, address, needs_claim, plans in found
        if allowed(channel, plans)
    ]  # fmt: skip
    return sorted(reached, key=lambda each: -each.plan_rank)


@lru_cache(maxsize=1)
def _select_reachable() -> sa.Select[*tuple[Any, ...]]:
    moment = sa.bindparam("moment", type_=sa.DateTime(timezone=True))
    covering = sa.and_(Grant.user_id == Contact.user_id, Grant.starts_at <= moment, Grant.ends_at > moment)
    waiting = sa.exists().where(
        Notification.contact_id == Contact.id,
        Notification.state == State.PENDING,
        Notification.kind == SLOT_DETECTED,
    )
    return (
        sa.select(
            Contact.id,
            Contact.user_id,
            Contact.channel,
            User.language,
            sa.type_coerce(Contact.address, sa.Text),
            sa.or_(waiting, Contact.select_after_report(), chose_times()),
            sa.type_coerce(sa.func.array_agg(Grant.plan.distinct()), ARRAY(sa.Text())),
        )
        .join(User, User.id == Contact.user_id)
        .join(Grant, covering)
        .where(is_any_given(Contact.user_id, "user_ids"))
        .where(Contact.enabled, Contact.verified_at.is_not(None), Contact.state == ContactState.OK)
        .where(sa.literal(MessageGroup.SLOTS.value) != sa.all_(Contact.stopped_groups))
        .group_by(Contact.id, User.id)
        .order_by(Contact.id)
    )


def allowed(channel: Channel, plans: Collection[PlanName | str]) -> bool:
    """Whether one of the plans has the channel."""
    return any(channel.value in plan(name).channels for name in plans)
