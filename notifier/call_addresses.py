"""Signed addresses of a call: where Twilio asks what to say, brings keys, and reports the end.

Twilio signs its requests. The token in the address says besides which message a call carries, so that no request of
Twilio's about another call can be turned to this one.
"""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl
from uuid import UUID

from configs.settings import settings
from configs.signing import LinkRefused, sign, unsign

_SCOPE = "call"
_GOOD_FOR = 3600.0  # seconds: Twilio may queue a call, and tries a report again


class CallStep(StrEnum):
    """What a request of Twilio's is about."""

    ANSWERED = "answered"  # a person or a machine answered: Twilio asks for the words
    KEY = "key"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What the address of a request says."""

    step: CallStep
    notification_id: UUID
    language: str
    token: str


def write_call_token(notification_id: UUID, language: str) -> str:
    """Return the token of the addresses of a call.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    return sign(_SCOPE, [str(notification_id), language])


def call_address(step: CallStep, token: str) -> str:
    """Return the public address of a step."""
    return webhook_address(f"step={step}&call={token}")


def webhook_address(query: str) -> str:
    """Return the public address of the webhook, which Twilio signs."""
    return f"{settings().api_url}/api/hooks/twilio/calls?{query}"


def read_call(query: str) -> CallRequest:
    """Return what the address of a request says.

    Raises:
        configs.signing.LinkRefused: the token is expired or forged.
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    given = dict(parse_qsl(query))
    token = given.get("call", "")
    payload = unsign(_SCOPE, token, _GOOD_FOR)
    try:
        notification_id, language = payload
        return CallRequest(CallStep(given.get("step", "")), UUID(notification_id), str(language), token)
    except (ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None
