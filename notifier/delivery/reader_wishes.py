"""Wishes of a claimed message's reader: not to get it any more, or later. Read again just before it is sent."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_given
from api.models.notification import State
from api.models.user import Channel, Contact, User
from configs.ground.message_groups import SWITCHABLE, MessageGroup
from configs.world.desk import zone_or_home
from notifier.content.message_kind_base import ClaimedRow, Skip, skip_unreachable
from notifier.message_kinds import kind_of, kinds
from notifier.message_kinds.message_times import (
    Hold,
    MessageTimes,
    find_hold_of_news,
    lock_times,
    select_times,
)

STOPPED = Skip(State.SKIPPED, "stopped by its reader")
NO_CONSENT = Skip(State.SKIPPED, "no consent")


@dataclass(frozen=True, slots=True)
class ClaimedRecipient:
    """A contact, and when its user wants messages: `times` is None for one who changed nothing."""

    contact: Contact
    times: MessageTimes | None = None
    zone: str = ""


def read_recipients(opened: Session, contact_ids: Collection[UUID]) -> dict[UUID, ClaimedRecipient]:
    """Return contacts with their users' wishes, by id."""
    found: list[Any] = list(opened.execute(_select_recipients(), {"contact_ids": contact_ids}))
    times = lock_times(opened, {contact.user_id for contact, kept, _ in found if kept})
    return {
        contact.id: ClaimedRecipient(contact, times.get(contact.user_id), time_zone)
        for contact, _, time_zone in found
    }


@lru_cache(maxsize=1)
def _select_recipients() -> sa.Select[*tuple[Any, ...]]:
    query = sa.select(Contact, select_times(), User.time_zone).join(User, User.id == Contact.user_id)
    return query.where(is_any_given(Contact.id, "contact_ids")).execution_options(prepare=True)


def find_wish(row: ClaimedRow, to: ClaimedRecipient, now: datetime) -> Skip | None:
    """Return why a message is not sent now, or None. Mail about the account and payments always is."""
    if row.kind not in kinds():
        return None
    group = kind_of(row.kind).group
    if group in SWITCHABLE and group in (to.contact.stopped_groups or ()):
        return STOPPED
    if group is MessageGroup.SUMMARY and not to.contact.wants_summary:
        return STOPPED
    if group is MessageGroup.NEWS and not to.contact.wants_news:
        return NO_CONSENT
    hold = _find_hold(group, row, to, now)
    return Skip(State.PENDING, "", hold.until, hold.held_for) if hold else None


def _find_hold(group: MessageGroup, row: ClaimedRow, to: ClaimedRecipient, now: datetime) -> Hold | None:
    if group not in SWITCHABLE:
        if row.channel is Channel.EMAIL or not kind_of(row.kind).chats_wait:
            return None
        group = MessageGroup.REMINDERS  # as those it waits
    created_at = row.matched_at or row.created_at
    if group is MessageGroup.NEWS:
        return find_hold_of_news(to.times or MessageTimes(zone_or_home(to.zone)), created_at, now)
    hold = to.times.find_hold(group, created_at, now) if to.times else None
    ends = kind_of(row.kind).find_end_of_use(row.params) if hold else None
    return None if hold and ends and ends <= hold.until else hold


def find_loss(row: ClaimedRow, contact: Contact) -> Skip | None:
    """Return why a message that can be switched off is not sent to a contact that was lost meanwhile, or None."""
    return skip_unreachable(contact) if kind_of(row.kind).group in SWITCHABLE else None
