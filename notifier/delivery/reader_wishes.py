"""Wishes of a claimed message's reader: not to get it any more, or later. Read again just before it is sent."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_given
from api.models.notification import HELD, State
from api.models.user import Channel, Contact, User
from configs.desk import zone_or_home
from configs.message_groups import SWITCHABLE, MessageGroup
from notifier.content.desk_message_content import skip_unreachable
from notifier.delivery.retry_policy import UNKNOWN
from notifier.held_back import GONE
from notifier.message_kind_base import ClaimedRow, Skip
from notifier.message_kinds import kind_of, kinds
from notifier.message_times import Hold, MessageTimes, find_hold_of_news, read_times, select_times

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
    rows = opened.execute(_select_recipients(), {"contact_ids": contact_ids})
    return {
        contact.id: ClaimedRecipient(contact, read_times(kept), time_zone)
        for contact, kept, time_zone in rows
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
    return Skip(State.PENDING, _join_reasons(row.reason, hold.reason), hold.until) if hold else None


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


def _join_reasons(before: str | None, reason: str) -> str:
    """Return the reason of a wait; that a copy may have arrived stays in front of it."""
    if before is None or not before.startswith(UNKNOWN):
        return reason
    tried = before.removesuffix(_find_wait(before) or "").removesuffix("; ")
    return f"{tried}; {reason}"


def _find_wait(reason: str | None) -> str | None:
    return next((each for each in HELD if reason and reason.endswith(each)), None)


def name_wait(row: ClaimedRow, how: Skip) -> Skip:
    """Return how a message ends; of slots that went while it was held back it names that, too."""
    wait = _find_wait(row.reason)
    return replace(how, reason=f"{how.reason}: {wait}") if wait and how == GONE else how


def find_loss(row: ClaimedRow, contact: Contact) -> Skip | None:
    """Return why a message that can be switched off is not sent to a contact that was lost meanwhile, or None."""
    return skip_unreachable(contact) if kind_of(row.kind).group in SWITCHABLE else None
