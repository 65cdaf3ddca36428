"""Channels of a person's plan: which are set up for slot alerts, which would be used now, and which are asked for."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.user import CONTACT_CHANNELS, Channel, Contact, User
from configs.ground.message_groups import MessageGroup
from configs.settings import settings


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
