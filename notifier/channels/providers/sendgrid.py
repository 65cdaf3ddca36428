"""E-mail by SendGrid's v3 API.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from requests import Response
from sendgrid import SendGridAPIClient

from api.models.user import Channel, ContactState
from configs.ground.addresses import ascii_address
from configs.settings import settings
from notifier.channels.provider_base import (
    Acceptance,
    Answer,
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentError,
    Provider,
    Transport,
)
from notifier.content.message_kind_base import OutgoingMessage, own_headers, split_sender

PROVIDER = "sendgrid"

# What 4xx answers mean (429 and 5xx are the transport's). A refused key or sender is our fault, not the message's.
# https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses
_OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_FOUND}
# Who reported spam, or unsubscribed, still gets an order's confirmation and a new password, and what was switched on
# again since; an address that bounced is left alone. Bypassing all lists excludes these two: https://www.twilio.com/docs/sendgrid/ui/sending-email/index-suppressions
_BYPASS = {name: {"enable": True} for name in ("bypass_spam_management", "bypass_unsubscribe_management")}
# The `field` of an error that speaks of one mail by its place, and of whom that goes to: all else in it we wrote.
_AT_FAULT = re.compile(r"personalizations\.(\d{1,4})\.")
_BAD_ADDRESS = re.compile(r"personalizations\.\d{1,4}\.to\.\d+\.email")


@lru_cache(maxsize=2)
def _transport(key: str) -> Transport:
    """Return a session with the headers of SendGrid's client, which opens a connection per mail and has no time-out.

    https://github.com/sendgrid/sendgrid-python/issues/757
    """
    transport = Transport(PROVIDER, Channel.EMAIL, is_own=lambda answer: _fields(answer) is not None)
    transport.headers.update(SendGridAPIClient(key).client.request_headers)
    return transport


class SendGrid(Provider):
    """Mails that share their content leave in one call: a personalization each, its own links by substitutions."""

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        """Hand over mails of one content, which pass SendGrid's lists or do not. Its events have the `custom_args`."""
        transport = _transport(settings().require("sendgrid_api_key"))
        answer = transport.post(f"{settings().address_of('sendgrid')}/v3/mail/send", json=_body(messages))
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            raise _delivery_error(answer)
        if answer.status_code != HTTPStatus.ACCEPTED:  # 200: valid, and not queued
            raise OutcomeUnknown(f"{PROVIDER} answered {answer.status_code}, which is no acceptance")
        has_receipts = settings().sendgrid_webhook_key is not None
        message_id = answer.headers.get("X-Message-Id", "")
        return [Acceptance(PROVIDER, message_id, awaits_receipt=has_receipts)] * len(messages)


def _body(messages: Sequence[OutgoingMessage]) -> dict[str, Any]:
    name, sender = split_sender()
    content = messages[0].content if len(messages) > 1 else messages[0].filled
    parts = (("text/plain", content.text), ("text/html", content.html))
    return {
        "personalizations": [_personalization(each, alone=len(messages) == 1) for each in messages],
        "from": {"email": sender, "name": name},
        "subject": content.subject,
        "content": [{"type": kind, "value": value} for kind, value in parts if value],
        # Rewritten links would hide the official address, and a pixel would watch who reads.
        # Its own unsubscribe link would reach us as a later `dropped` only.
        "tracking_settings": {
            name: {"enable": False} for name in ("click_tracking", "open_tracking", "subscription_tracking")
        },
        **({"mail_settings": _BYPASS} if messages[0].passes_lists else {}),
    }


def _personalization(message: OutgoingMessage, *, alone: bool) -> dict[str, Any]:
    arguments = message.metadata
    if settings().loopback_only and message.seen_at:
        arguments["seen_at"] = message.seen_at.isoformat()
    to: dict[str, Any] = {
        "to": [{"email": _spell_address(message.address)}],
        "custom_args": arguments,
        "headers": own_headers(message),
    }
    return to if alone or not message.substitutions else {**to, "substitutions": dict(message.substitutions)}


def _spell_address(address: str) -> str:
    """Return the address with its domain in ASCII, as SendGrid wants it; it refuses one that has no such spelling."""
    try:
        return ascii_address(address)
    except ValueError:
        return address


def _delivery_error(answer: Response) -> DeliveryError:
    answered = f"{PROVIDER} answered {answer.status_code}"
    if answer.status_code in _OURS:
        return Misconfigured(f"{answered}: check SENDGRID_API_KEY and EMAIL_FROM")
    fields = _fields(answer) or []
    if any(field.partition(".")[0] == "from" for field in fields):
        return Misconfigured(f"{PROVIDER} refuses the sender: check EMAIL_FROM")
    bad = [field for field in fields if _BAD_ADDRESS.fullmatch(field)]
    at_fault = frozenset(int(found[1]) for field in bad or fields if (found := _AT_FAULT.match(field)))
    if bad:
        return PermanentError(f"{PROVIDER} refuses the address", ContactState.BOUNCED, at_fault)
    reason = f"{answered} {', '.join(fields)}".rstrip()
    return PermanentError(reason, at_fault=at_fault, of_all=bool(fields) and not at_fault)


def _fields(answer: Response) -> list[str] | None:
    """Return the fields that SendGrid's errors name; None where it says nothing. What is too large never gets there."""
    try:
        return [str(each["field"])[:80] for each in answer.json()["errors"] if each.get("field")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [] if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else None
