"""Groups of messages, and the tokens of `/l/unsubscribe/`, by which a mail's reader stops what it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from configs.contact_addresses import digest
from configs.settings import settings
from configs.signing import LinkRefused, sign, unsign

STOP_ALERT = "stop-alert"  # the scope of links that stop alerts, in texts and in headers
_STOP_GROUP = "stop-group"


class MessageGroup(StrEnum):
    """What a message is about; its reader can stop some groups, and say when they may arrive."""

    SLOTS = "slots"  # slot alerts: each is stopped with its alert
    DESK = "desk"  # whether a desk is watched
    REMINDERS = "reminders"
    SUMMARY = "summary"  # of the week: only who asked for it gets one
    NEWS = "news"  # marketing: it needs consent
    ACCOUNT = "account"
    PAYMENT = "payment"  # and what the law wants us to send


STOPPABLE = frozenset(  # by the link of a mail
    {MessageGroup.DESK, MessageGroup.REMINDERS, MessageGroup.SUMMARY, MessageGroup.NEWS}
)
SWITCHABLE = STOPPABLE | {MessageGroup.SLOTS}  # by channel, in the preferences of an account


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """What a token stops: alerts, or a group of messages to a contact while it has that address."""

    group: MessageGroup
    alert_ids: tuple[UUID, ...] = ()
    contact_id: UUID | None = None
    address_digest: str = ""


def write_stop_token(alert_ids: Sequence[UUID]) -> str:
    """Return the token that stops alerts. Of one alert it serves the stop link, too: a crowd's are signed once.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    ids = [str(each) for each in alert_ids]
    return sign(STOP_ALERT, ids[0] if len(ids) == 1 else {"alerts": ids})


def write_group_token(group: MessageGroup, contact_id: UUID, address: str) -> str:
    """Return the token that stops a group of messages to a contact.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    return sign(_STOP_GROUP, {"group": group.value, "contact": str(contact_id), "address": digest(address)})


def read_unsubscription(token: str) -> Unsubscription:
    """Return what a token stops; it is good for LINK_SECONDS.

    Raises:
        configs.signing.LinkRefused: it is expired or forged.
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    age = settings().link_seconds
    try:
        return _read_alerts(unsign(STOP_ALERT, token, age))
    except LinkRefused as refusal:
        if refusal.reason == "expired":
            raise
    return _read_group(unsign(_STOP_GROUP, token, age))


def _read_alerts(payload: Any) -> Unsubscription:
    try:
        ids = payload["alerts"] if isinstance(payload, Mapping) else [payload]
        return Unsubscription(MessageGroup.SLOTS, tuple(UUID(each) for each in ids))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None


def _read_group(payload: Any) -> Unsubscription:
    try:
        group, contact_id = MessageGroup(payload["group"]), UUID(payload["contact"])
        return Unsubscription(group, contact_id=contact_id, address_digest=payload["address"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None
