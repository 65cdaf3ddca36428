"""Recipients of slot alerts about people whom organisations help: the person, a caseworker, or both.

A message goes to the caseworker named, within the hours that this member chose; outside them to the other members who
help people and are within theirs. Where none is, the caseworker is told at once, by mail alone: a slot is gone long
before the hours begin, and a mail wakes nobody.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from api.models.base import UuidArray
from api.models.organisation import Beneficiary, Member, MemberRole, Organisation, OrganisationEnd, Told
from api.models.user import Channel, Contact, Grant, User
from configs.world.desk import zone_or_home
from configs.world.plan import PlanName, plan, rank_plan
from notifier.content.message_kind_base import SLOT_DETECTED
from notifier.content.messages import choose_language
from notifier.delivery.reader_wishes import is_on
from notifier.matching.queries import Recipient, takes_slots


@dataclass(slots=True)
class _Caseworker:
    """A member who helps people, with the contacts of the account and the hours of messages."""

    id: UUID
    hours: tuple[time, time] | None
    zone: str
    contacts: list[Recipient] = field(default_factory=list)

    def is_on(self, now: datetime) -> bool:
        """Return whether the member is told of slots at a moment."""
        return self.hours is None or is_on(self.hours, now.astimezone(zone_or_home(self.zone)).time())


def choose_readers(
    session: Session,
    user_ids: Collection[UUID],
    reached: Sequence[Recipient],
    moment: datetime,
    now: datetime,
    *,
    free: Collection[str] = (),
) -> list[Recipient]:
    """Return the recipients of an alert's slots with caseworkers for the people helped, one entry for each person.

    `reached`: the contacts of the alerts' users themselves; of people helped, those to which they agreed. `free`: the
    channels that need no plan. Who has no agreed contact that is reached is told by the caseworker.
    """
    given = {"user_ids": user_ids, "moment": moment}
    helped = session.execute(_select_helped(), given).all() if user_ids else []
    if not helped:
        return list(reached)
    caseworkers = _read_caseworkers(session, {row.organisation_id for row in helped})
    own: defaultdict[UUID, list[Recipient]] = defaultdict(list)
    for each in reached:
        own[each.user_id].append(each)
    chosen = [each for each in reached if each.user_id not in {row.user_id for row in helped}]
    for row in helped:
        mine = own[row.user_id] if row.told is not Told.CASEWORKER else []
        chosen += (each._replace(needs_claim=True) for each in mine)  # its text has a link of the person's
        if row.told is not Told.PERSON or not mine:
            chosen += _list_readers(row, caseworkers[row.organisation_id], free, now)
    return sorted(chosen, key=lambda each: -each.plan_rank)


def _list_readers(
    row: Any, caseworkers: Sequence[_Caseworker], free: Collection[str], now: datetime
) -> Iterable[Recipient]:
    """Return the contacts of those who are told about a person, on the channels of the person's plan."""
    named = [each for each in caseworkers if each.id == row.caseworker_id]
    told = [each for each in named if each.is_on(now)] or [each for each in caseworkers if each.is_on(now)]
    channels = {*free}.union(*(plan(PlanName(name)).channels for name in row.plans))
    rank = max((rank_plan(PlanName(name)) for name in row.plans), default=0)
    for caseworker in told or named or caseworkers:
        for each in caseworker.contacts:
            if each.channel.value in channels and (told or each.channel is Channel.EMAIL):
                yield each._replace(user_id=row.user_id, plan_rank=rank)


def _read_caseworkers(session: Session, organisations: Collection[UUID]) -> dict[UUID, list[_Caseworker]]:
    """Return by organisation the members who may be told and have a contact that is reached."""
    found: dict[UUID, _Caseworker] = {}
    by_organisation: defaultdict[UUID, list[_Caseworker]] = defaultdict(list)
    for row in session.execute(_select_caseworkers(), {"organisations": organisations}):
        if row.id not in found:
            hours = (row.told_from, row.told_until) if row.told_from else None
            found[row.id] = _Caseworker(row.id, hours, row.time_zone)
            by_organisation[row.organisation_id].append(found[row.id])
        contact = Recipient(
            row.contact_id, row.user_id, row.channel, choose_language(SLOT_DETECTED, row.language), row.address,
            needs_claim=True, reader_id=row.user_id,
        )  # fmt: skip
        found[row.id].contacts.append(contact)
    return by_organisation


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
        .where(Organisation.ends_because.is_distinct_from(OrganisationEnd.ABUSE))
        .order_by(Member.id, Contact.id)
    )  # fmt: skip
