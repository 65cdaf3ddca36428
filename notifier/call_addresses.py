"""Signed addresses of a call: where Twilio asks what to say, brings keys, and reports the end.

Twilio signs its requests. The token in the address says besides which message a call carries, so that no request of
Twilio's about another call can be turned to this one.
"""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl
from uuid import UUID

from configs.settings import settings
from configs.signed_links import AnswerCall, read_token, write_token
from configs.signing import LinkRefused


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
        configs.settings.SettingMissing: LINK_KEY is not set.
    """
    return write_token(AnswerCall(notification_id, language))


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
        configs.settings.SettingMissing: LINK_KEY is not set.
    """
    given = dict(parse_qsl(query))
    token = given.get("call", "")
    call = read_token(AnswerCall, token)
    try:
        return CallRequest(CallStep(given.get("step", "")), call.notification, call.language, token)
    except ValueError:
        raise LinkRefused("forged") from None
