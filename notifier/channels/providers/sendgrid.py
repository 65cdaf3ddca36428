"""E-mail by SendGrid's v3 API, and the events that it reports.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import structlog
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from requests import Response

from api.models.provider_event import LONGEST_CODE, ReceiptKind
from api.models.user import Channel, ContactState
from configs.ground.addresses import ascii_address
from configs.settings import SettingMissing, settings
from notifier.channels.mail_refusals import is_dead_address
from notifier.channels.provider_base import (
    LONGEST_EVENT_ID,
    Acceptance,
    Answer,
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentError,
    Provider,
    Receipt,
    Transport,
    parse_ids,
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
_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
# Why SendGrid dropped a message itself: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
_DROPPED = {
    **dict.fromkeys(("spam reporting address", "unsubscribed address"), ReceiptKind.STOPPED),
    **dict.fromkeys(("bounced address", "invalid"), ReceiptKind.BOUNCED),
}
_CODE = re.compile(r"[\w.]+")  # such as 5.1.1; the full reason may repeat the address
log = structlog.get_logger(__name__)


@lru_cache(maxsize=2)
def _transport(key: str) -> Transport:
    """Return a session with the headers of SendGrid's client, which opens a connection per mail and has no time-out.

    https://github.com/sendgrid/sendgrid-python/issues/757
    """
    from sendgrid import SendGridAPIClient  # noqa: PLC0415 -- not for receipts

    transport = Transport(PROVIDER, Channel.EMAIL, is_own=lambda answer: _fields(answer) is not None)
    transport.headers.update(SendGridAPIClient(key).client.request_headers)
    return transport


class SendGrid(Provider):
    """Mails that share their content leave in one call: a personalization each, its own links by substitutions."""

    def __init__(self) -> None:
        import sendgrid  # noqa: F401, PLC0415 -- else loaded at the first message

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


@lru_cache(maxsize=8)
def _load_key(text: str) -> ec.EllipticCurvePublicKey:
    key = load_der_public_key(base64.b64decode(text))
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("no key of an elliptic curve")
    return key


def _is_signed_by(key: str, signature: bytes, signed: bytes) -> bool:
    try:
        _load_key(key).verify(signature, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        log.warning(
            "SENDGRID_WEBHOOK_KEY holds no key: copy it from SendGrid again", because=type(error).__name__
        )
        return False
    return True


def is_genuine(headers: Mapping[str, str], body: bytes, _query: str) -> bool:
    """Return whether timestamp and raw body are signed with one of the keys of SENDGRID_WEBHOOK_KEY."""
    try:
        keys = settings().require_all("sendgrid_webhook_key")
        signature = base64.b64decode(headers.get(_SIGNATURE, ""), validate=True)
    except (SettingMissing, ValueError):  # a signature that is not base64, or not ASCII
        return False
    signed = headers.get(_TIMESTAMP, "").encode() + body
    return any(_is_signed_by(each, signature, signed) for each in keys)


def read_receipts(body: bytes, _query: str, now: datetime) -> Sequence[Receipt]:
    """Return the receipts among SendGrid's events; openings, clicks and delays are none.

    Each event has the `custom_args` of its message.
    """
    events = json.loads(body)
    if not isinstance(events, list):
        raise ValueError("no list of events")  # noqa: TRY004 -- the shape of a call, not a wrong argument
    found = (_read_event(each, now) for each in events if isinstance(each, dict))
    return [each for each in found if each]


def _read_event(event: dict[str, Any], now: datetime) -> Receipt | None:
    kind, event_id = _kind_of(event), _clean(event, "sg_event_id")
    at = _read_instant(event.get("timestamp"))
    if kind is None or at is None or not 1 <= len(event_id) <= LONGEST_EVENT_ID:
        return None
    status = _clean(event, "status")
    return Receipt(
        event_id=event_id,
        kind=kind,
        at=min(at, now),  # SendGrid's clock may be fast
        address=_clean(event, "email"),
        # X-Message-Id of the call, then a dot and the name of the machine that sent it
        message_id=_clean(event, "sg_message_id").partition(".")[0][:LONGEST_EVENT_ID] or None,
        notification_ids=parse_ids(_clean(event, "notification_ids") or _clean(event, "notification_id")),
        code=status[:LONGEST_CODE] if _CODE.fullmatch(status) else None,
    )


def _kind_of(event: dict[str, Any]) -> ReceiptKind | None:
    match _clean(event, "event"):
        case "delivered":
            return ReceiptKind.DELIVERED
        case "bounce":
            # `blocked` and `expired` speak of the mail and of time.
            is_hard = _clean(event, "type") in ("bounce", "")
            is_dead = is_hard and is_dead_address(_clean(event, "reason"), _clean(event, "status"))
            return ReceiptKind.BOUNCED if is_dead else ReceiptKind.REFUSED
        case "dropped":
            return _DROPPED.get(_clean(event, "reason").casefold(), ReceiptKind.REFUSED)
        case "spamreport":
            return ReceiptKind.COMPLAINED
    return None


def _clean(event: dict[str, Any], name: str) -> str:
    """Return a text without NUL and lone surrogates, which JSON may hold and PostgreSQL refuses."""
    value = event.get(name)
    return value.encode("utf-8", "ignore").decode().replace("\0", "") if isinstance(value, str) else ""


def _read_instant(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
