"""Preferences of messages: groups by channel, quiet hours, the rhythm of slot alerts; which channels are set up."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.consents import (
    REPORT_WISHES,
    give_news_consent,
    switch_report_wish,
    withdraw_news_consent,
)
from api.accounts.queries import index_contacts, read_flags
from api.ground.errors import ApiError
from api.models.base import database_clock
from api.models.notification import Notification, waits_as_wished
from api.models.user import CONTACT_CHANNELS, Channel, Contact, ContactState, User
from api.users.preference_schemas import (
    CallHoursState,
    GroupChanges,
    GroupState,
    GroupStates,
    NotificationChanges,
    NotificationState,
    QuietHoursState,
)
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.settings import settings

HOW_TO_LINK = {
    Channel.EMAIL: "confirm the address of the account first",
    Channel.SMS: "confirm a phone number first: PATCH /api/users/profile with `phone`",
    Channel.TELEGRAM: "link a chat first: POST /api/users/telegram-link",
    Channel.PUSH: "add a device first: POST /api/users/push-devices",
}
# The channels of a group's messages; those that cannot be switched off go by mail.
_MAIL = (Channel.EMAIL,)
CHANNELS: Mapping[MessageGroup, tuple[Channel, ...]] = {
    MessageGroup.SLOTS: CONTACT_CHANNELS,
    MessageGroup.DESK: (Channel.EMAIL, Channel.TELEGRAM),
    MessageGroup.REMINDERS: (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM),
    MessageGroup.SUMMARY: _MAIL,
    MessageGroup.NEWS: _MAIL,
    MessageGroup.ACCOUNT: _MAIL,
    MessageGroup.PAYMENT: _MAIL,
}


def change_times(session: Session, user: User, flags: NotificationChanges) -> None:
    """Change when messages leave. What waits already is looked at again by what holds now."""
    named = flags.model_fields_set
    user.slot_rhythm = flags.slot_rhythm or user.slot_rhythm
    user.digest_at = flags.digest_at or user.digest_at
    if flags.call_hours:
        user.calls_from, user.calls_until = flags.call_hours.begins, flags.call_hours.until
    for wish in REPORT_WISHES:
        switch_report_wish(user, wish, getattr(flags, wish), "preferences")
    if "quiet_hours" in named:
        quiet = flags.quiet_hours
        user.quiet_from, user.quiet_until = (quiet.begins, quiet.until) if quiet else (None, None)
        user.quiet_slots = bool(quiet and quiet.slots)
    session.flush()


def wake_held(session: Session, user_id: UUID) -> None:
    """Have messages looked at again that wait as their reader wished: the sweep nudges them within its second.

    It comes after the user's row is locked: a worker that holds one of them waits for that row, and reads it anew.
    """
    now = database_clock(session)
    mine = sa.select(Notification.id).where(Notification.user_id == user_id, waits_as_wished())
    locked = mine.order_by(Notification.id).with_for_update(skip_locked=True)
    waking = sa.update(Notification).where(Notification.id.in_(locked))
    session.execute(
        waking.values(next_attempt_at=now),
        execution_options={"synchronize_session": False},
    )


def change_groups(contacts: Mapping[Channel, Sequence[Contact]], changes: GroupChanges) -> bool:
    """Switch groups on or off by channel, of push for all devices; return whether slot alerts have a further way.

    Raises:
        ApiError: 409 not-linked.
    """
    wishes = [
        (MessageGroup(name), Channel(channel), wish)
        for name, change in changes
        for channel, wish in change or ()
        if wish is not None
    ]
    found = [
        (contact, group, wish)
        for group, channel, wish in wishes
        for contact in _find_linked(contacts, channel, group, on=wish)
    ]
    switched = [_switch_group(contact, group, on=wish) for contact, group, wish in found]
    return any(switched)


def _find_linked(
    contacts: Mapping[Channel, Sequence[Contact]], channel: Channel, group: MessageGroup, *, on: bool
) -> Sequence[Contact]:
    found = contacts.get(channel, ())
    if not on:
        return found
    linked = [each for each in found if channel is Channel.EMAIL or each.is_linked]
    if not linked:
        raise ApiError(409, "not-linked", HOW_TO_LINK[channel])
    if any(_lacks_consent(group, each) for each in linked):
        raise ApiError(409, "not-linked", "switch the channel on first: news end with the consent to it")
    return linked


def _lacks_consent(group: MessageGroup, contact: Contact) -> bool:
    """Whether a consent to news would be none, as there is none to the channel."""
    return group is MessageGroup.NEWS and contact.consented_at is None


def _switch_group(contact: Contact, group: MessageGroup, *, on: bool) -> bool:
    """Switch a group to a contact; return whether slot alerts reach it now and did not before."""
    was_stopped = group in contact.stopped_groups
    kept = [each for each in contact.stopped_groups if each != group]
    if group is MessageGroup.NEWS:
        (give_news_consent if on else withdraw_news_consent)(contact, "preferences")
        contact.stopped_groups = kept
    elif group is MessageGroup.SUMMARY:
        contact.summary_since = (contact.summary_since or clock()) if on else None
    else:
        contact.stopped_groups = kept if on else [*kept, group.value]
    return on and was_stopped and group is MessageGroup.SLOTS and contact.reachable


def read_preferences(session: Session, user_id: UUID) -> NotificationState:
    """Return what is switched on, and when messages leave."""
    user = session.get_one(User, user_id)
    contacts = index_contacts(user.contacts)
    states = {
        group.value: GroupState(
            **{each.value: _is_on(group, each, contacts.get(each)) for each in CONTACT_CHANNELS}
        )
        for group in CHANNELS
    }
    return NotificationState(
        groups=GroupStates(**states),
        quiet_hours=_read_quiet_hours(user),
        slot_rhythm=user.slot_rhythm,
        digest_at=_write_hour(user.digest_at),
        call_hours=CallHoursState(begins=_write_hour(user.calls_from), until=_write_hour(user.calls_until)),
        time_zone=user.time_zone,
        told_in_doubt=user.told_in_doubt,
        may_be_asked=user.may_be_asked,
        **read_flags(contacts),
    )


def _is_on(group: MessageGroup, channel: Channel, contact: Contact | None) -> bool | None:
    if contact is None or channel not in CHANNELS[group]:
        return None
    if (channel is not Channel.EMAIL and not contact.is_linked) or _lacks_consent(group, contact):
        return None
    asked = {MessageGroup.NEWS: contact.wants_news, MessageGroup.SUMMARY: contact.wants_summary}
    return group not in contact.stopped_groups and asked.get(group, True)


def _read_quiet_hours(user: User) -> QuietHoursState | None:
    if user.quiet_from is None or user.quiet_until is None:
        return None
    return QuietHoursState(
        begins=_write_hour(user.quiet_from), until=_write_hour(user.quiet_until), slots=user.quiet_slots
    )


def _write_hour(at: time) -> str:
    return f"{at:%H:%M}"


def read_channel_states(session: Session, user_id: UUID) -> dict[Channel, ContactState]:
    """Return the state of each address that the user has."""
    found = session.scalars(sa.select(Contact).where(Contact.user_id == user_id))
    return {channel: contact.state for channel, contact in index_contacts(found).items()}


@dataclass(frozen=True, slots=True)
class ChannelSetup:
    """A channel that a plan has; a call goes to the number of SMS."""

    channel: Channel
    is_ready: bool  # its owner has set it up, whether or not it is switched on
    is_used: bool  # slot alerts go there
    is_open: bool  # it is not set up, and its owner has not said: not now


def read_channel_setup(session: Session, user_id: UUID, channels: Collection[str]) -> list[ChannelSetup]:
    """Return those of these channels (of a plan) that this installation can offer."""
    user, known = session.get_one(User, user_id), settings()
    needs = {Channel.TELEGRAM: known.telegram_bot_name, Channel.PUSH: known.vapid_public_key}
    contacts: defaultdict[Channel, list[Contact]] = defaultdict(list)
    for each in user.contacts:
        contacts[each.channel].append(each)
    found = []
    for channel in CONTACT_CHANNELS:
        own = contacts[channel]
        if channel.value in channels and (own or needs.get(channel, True)):
            is_ready = any(one.is_linked and not one.is_lost for one in own)
            is_used = any(one.reachable and MessageGroup.SLOTS not in one.stopped_groups for one in own)
            is_open = not is_ready and channel.value not in user.declined_channels
            found.append(ChannelSetup(channel, is_ready, is_used, is_open))
    return found


def decline_channel(session: Session, user_id: UUID, channel: Channel) -> None:
    """Ask no more to set up a channel; repeated, nothing changes."""
    user = session.get_one(User, user_id, with_for_update={"key_share": True})
    user.declined_channels = sorted({*user.declined_channels, channel.value})
