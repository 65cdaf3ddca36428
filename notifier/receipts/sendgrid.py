"""SendGrid's event webhook: its signature, and what its events mean.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import structlog
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from api.models.provider_event import ReceiptKind
from configs.settings import SettingMissing, settings
from notifier.receipts import LONGEST_CODE, LONGEST_ID, Receipt, ReceiptReader, parse_ids

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_BOUNCED = frozenset({"bounced address", "invalid"})
# Why SendGrid dropped a message itself: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
_DROPPED = {
    **dict.fromkeys(("spam reporting address", "unsubscribed address"), ReceiptKind.STOPPED),
    **dict.fromkeys(_BOUNCED, ReceiptKind.BOUNCED),
}
_CODE = re.compile(r"[\w.]+")  # such as 5.1.1: the reason may repeat the address

log = structlog.get_logger(__name__)


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


class SendGridReceipts(ReceiptReader):
    """A call carries a list of events, each with the `custom_args` of its message."""

    def is_genuine(self, headers: Mapping[str, str], body: bytes, query: str) -> bool:  # noqa: ARG002 -- as its base says
        """Return whether one of SENDGRID_WEBHOOK_KEY fits the signature of time and raw body."""
        try:
            keys = settings().require_all("sendgrid_webhook_key")
            signature = base64.b64decode(headers.get(_SIGNATURE, ""), validate=True)
        except (SettingMissing, ValueError):  # of no base64, or with letters that are not ASCII
            return False
        signed = headers.get(_TIMESTAMP, "").encode() + body
        return any(_is_signed_by(each, signature, signed) for each in keys)

    def read_receipts(self, body: bytes, query: str, now: datetime) -> Sequence[Receipt]:  # noqa: ARG002 -- as its base says
        """Return the receipts among the events; openings, clicks and delays are none."""
        try:
            events = json.loads(body)
        except RecursionError:
            raise ValueError("nested too deep") from None
        if not isinstance(events, list):
            raise ValueError("no list of events")  # noqa: TRY004 -- the shape of a call, not a wrong argument
        found = (_read_event(each, now) for each in events if isinstance(each, dict))
        return [each for each in found if each]


def _read_event(event: dict[str, Any], now: datetime) -> Receipt | None:
    kind, event_id = _kind_of(event), _text(event, "sg_event_id")
    at = _read_time(event.get("timestamp"))
    if kind is None or at is None or not 1 <= len(event_id) <= LONGEST_ID:
        return None
    status = _text(event, "status")
    return Receipt(
        event_id=event_id,
        kind=kind,
        at=min(at, now),  # SendGrid's clock may be fast
        address=_text(event, "email"),
        # X-Message-Id of the call, then a dot and the name of the machine that sent it
        message_id=_text(event, "sg_message_id").partition(".")[0][:LONGEST_ID] or None,
        notification_ids=parse_ids(_text(event, "notification_ids") or _text(event, "notification_id")),
        code=status[:LONGEST_CODE] if _CODE.fullmatch(status) else None,
    )


def _kind_of(event: dict[str, Any]) -> ReceiptKind | None:
    match _text(event, "event"):
        case "delivered":
            return ReceiptKind.DELIVERED
        case "bounce":
            soft = _text(event, "type") == "blocked"
            return ReceiptKind.REFUSED if soft else ReceiptKind.BOUNCED
        case "dropped":
            return _DROPPED.get(_text(event, "reason").casefold(), ReceiptKind.REFUSED)
        case "spamreport":
            return ReceiptKind.COMPLAINED
    return None


def _text(event: dict[str, Any], name: str) -> str:
    """Return a text without what no table takes: NUL, and halves of characters, which JSON can spell."""
    value = event.get(name)
    return value.encode("utf-8", "ignore").decode().replace("\0", "") if isinstance(value, str) else ""


def _read_time(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
