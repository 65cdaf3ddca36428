"""Recipients of slot alerts: the contacts of a plan's channels; of people helped, those of caseworkers, or both.

docs/organisations.md#recipients says who of an organisation is told, and when.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from api.models.base import UuidArray
from api.models.notification import PAID_CHANNELS, Notification, State
from api.models.organisation import Beneficiary, Member, MemberRole, Organisation, OrganisationEnd, Told
from api.models.user import AFTER_REPORT, Channel, Contact, ContactState, Grant, User
from configs.ground.message_groups import MessageGroup
from configs.world.desk import zone_or_home
from configs.world.plan import PlanName, plan, rank_plan
from notifier.content.message_kind_base import SLOT_DETECTED
from notifier.content.messages import choose_language
from notifier.delivery.reader_wishes import CHOSE_TIMES, is_on


class Recipient(NamedTuple):
    """A contact that may get a slot alert; there may be thousands at once."""

    contact_id: UUID
    user_id: UUID  # of the alert
    channel: Channel
    language: str  # of its user
    stored_address: str  # as in the table, maybe encrypted: most are never decrypted
    # Not sent at once but claimed first: a slot alert to it waits already, it was switched on again after a spam report
    # or a STOP, or its user may want messages later
    needs_claim: bool = False
    plan_rank: int = 0  # of the highest plan that covers the moment
    # Whose contact it is, where the alert's user is not: a member of an organisation that helps the user
    reader_id: UUID | None = None


class _Caseworker(NamedTuple):
    """A contact of a member who helps people; `is_on`: now is within the hours of messages that the member chose."""

    member_id: UUID
    is_on: bool
    contact: Recipient


def recipients(
    session: Session,
    user_ids: Collection[UUID],
    moment: datetime,
    *,
    is_report: bool = False,
    in_doubt: bool = False,
) -> list[Recipient]:
    """Return the reachable contacts of these users on the channels of the plans that cover the moment.

    Those of higher plans come first. What people report goes by the channels that need no plan, too; no SMS says what
    is `in_doubt`.
    """
    free = plan(PlanName.NONE).channels if is_report else frozenset()
    given = {"user_ids": user_ids, "moment": moment}
    reached = [
        Recipient(
            contact_id, user_id, channel, choose_language(SLOT_DETECTED, language), address, needs_claim,
            max(map(rank_plan, filter(None, plans)), default=0),
        )
        for contact_id, user_id, channel, language, address, needs_claim, plans in session.execute(
            _select_reachable(is_report=is_report), given
        )
        if channel.value in free or any(channel.value in plan(name).channels for name in plans if name)
    ]  # fmt: skip
    reached = [each for each in reached if not (in_doubt and each.channel in PAID_CHANNELS)]
    return sorted(reached, key=lambda each: -each.plan_rank)


@lru_cache(maxsize=2)
def _select_reachable(*, is_report: bool) -> sa.Select[*tuple[Any, ...]]:
    moment: sa.BindParameter[datetime] = sa.bindparam("moment")
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
            sa.or_(waiting, Contact.consent[("alerts", AFTER_REPORT)].is_not(None), CHOSE_TIMES),
            sa.type_coerce(sa.func.array_agg(Grant.plan.distinct()), ARRAY(sa.Text())),
        )
        .join(User, User.id == Contact.user_id)
        .join(Grant, covering, isouter=is_report)
        .where(Contact.user_id == sa.any_(sa.bindparam("user_ids", type_=UuidArray())))
        .where(takes_slots())
        .group_by(Contact.id, User.id)
        .order_by(Contact.id)
    )


def takes_slots() -> sa.ColumnElement[bool]:
    """Return the condition that a contact takes slot alerts."""
    is_reached = sa.and_(Contact.enabled, Contact.verified_at.is_not(None), Contact.state == ContactState.OK)
    return sa.and_(is_reached, sa.literal(MessageGroup.SLOTS.value) != sa.all_(Contact.stopped_groups))


def choose_recipients(
    session: Session,
    user_ids: Collection[UUID],
    moment: datetime,
    now: datetime,
    *,
    is_report: bool = False,
    in_doubt: bool = False,
) -> list[Recipient]:
    """Return the recipients of an alert's slots with caseworkers for the people helped, one entry for each person.

    Of people helped themselves only contacts to which they agreed. Who has none that is reached is told by the
    caseworker.
    """
    reached = recipients(session, user_ids, moment, is_report=is_report, in_doubt=in_doubt)
    given = {"user_ids": user_ids, "moment": moment}
    helped = session.execute(_select_helped(), given).all() if user_ids else []
    if not helped:
        return reached
    free = plan(PlanName.NONE).channels if is_report else frozenset()
    caseworkers = _read_caseworkers(session, {row.organisation_id for row in helped}, now)
    own: defaultdict[UUID, list[Recipient]] = defaultdict(list)
    for each in reached:
        own[each.user_id].append(each)
    chosen = [each for each in reached if each.user_id not in {row.user_id for row in helped}]
    for row in helped:
        mine = own[row.user_id] if row.told is not Told.CASEWORKER else []
        chosen += (each._replace(needs_claim=True) for each in mine)  # its text has a link of the person's
        if row.told is not Told.PERSON or not mine:
            chosen += _list_readers(row, caseworkers[row.organisation_id], free)
    return sorted(chosen, key=lambda each: -each.plan_rank)


def _list_readers(row: Any, caseworkers: Sequence[_Caseworker], free: Collection[str]) -> Iterable[Recipient]:
    """Return the contacts of those who are told about a person, on the channels of the person's plan."""
    named = [each for each in caseworkers if each.member_id == row.caseworker_id]
    told = [each for each in named if each.is_on] or [each for each in caseworkers if each.is_on]
    channels = {*free}.union(*(plan(PlanName(name)).channels for name in row.plans))
    rank = max((rank_plan(PlanName(name)) for name in row.plans), default=0)
    for _, _, each in told or named or caseworkers:
        if each.channel.value in channels and (told or each.channel is Channel.EMAIL):
            yield each._replace(user_id=row.user_id, plan_rank=rank)


def _read_caseworkers(
    session: Session, organisations: Collection[UUID], now: datetime
) -> dict[UUID, list[_Caseworker]]:
    """Return by organisation the contacts that are reached of the members who may be told."""
    found: defaultdict[UUID, list[_Caseworker]] = defaultdict(list)
    for row in session.execute(_select_caseworkers(), {"organisations": organisations}):
        shown = now.astimezone(zone_or_home(row.time_zone)).time()
        contact = Recipient(
            row.contact_id, row.user_id, row.channel, choose_language(SLOT_DETECTED, row.language), row.address,
            needs_claim=True, reader_id=row.user_id,
        )  # fmt: skip
        has_hours = row.told_from is None or is_on((row.told_from, row.told_until), shown)
        found[row.organisation_id].append(_Caseworker(row.id, has_hours, contact))
    return found


@lru_cache(maxsize=1)
def _select_helped() -> sa.Select[*tuple[Any, ...]]:
    moment: sa.BindParameter[datetime] = sa.bindparam("moment")
    covering = sa.select(Grant.plan).where(
        Grant.user_id == Beneficiary.user_id, Grant.starts_at <= moment, Grant.ends_at > moment
    )
    plans = sa.func.array(covering.scalar_subquery(), type_=ARRAY(sa.Text())).label("plans")
    columns = Beneficiary.user_id, Beneficiary.organisation_id, Beneficiary.caseworker_id, Beneficiary.told
    among = Beneficiary.user_id == sa.any_(sa.bindparam("user_ids", type_=UuidArray()))
    return sa.select(*columns, plans).where(among).order_by(Beneficiary.user_id)


@lru_cache(maxsize=1)
def _select_caseworkers() -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(
            Member.id, Member.organisation_id, Member.user_id, Member.told_from, Member.told_until,
            User.time_zone, User.language, Contact.id.label("contact_id"), Contact.channel,
            sa.type_coerce(Contact.address, sa.Text).label("address"),
        )
        .join(Organisation, Organisation.id == Member.organisation_id)
        .join(User, User.id == Member.user_id)
        .join(Contact, Contact.user_id == User.id)
        .where(Member.organisation_id == sa.any_(sa.bindparam("organisations", type_=UuidArray())))
        .where(Member.role.in_((MemberRole.OWNER, MemberRole.CASEWORKER)), takes_slots())
        .where(Organisation.ends_because.is_distinct_from(OrganisationEnd.ABUSE), User.suspended_at.is_(None))
        .order_by(Member.id, Contact.id)
    )  # fmt: skip
