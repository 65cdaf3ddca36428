"""Encryption and signature of push messages, by pywebpush and py-vapid.

The service cannot read what it passes on (RFC 8291), and knows by the signature who sends (RFC 8292).
"""

from datetime import datetime
from email.utils import parseaddr
from functools import lru_cache
from typing import Any

from py_vapid import Vapid02
from pywebpush import WebPusher

from configs.push_keys import read_private_key, write_public_key
from configs.push_subscriptions import PushSubscription
from configs.settings import settings

_HOUR = 3600
_SIGNED_FOR = 12 * _HOUR  # services take 24 hours at most
ENCODING = "aes128gcm"


def encrypt(subscription: PushSubscription, payload: bytes) -> bytes:
    """Return the payload as only the browser of a subscription reads it.

    Raises:
        ValueError: the subscription's keys are none.
    """
    keys = {"p256dh": subscription.p256dh, "auth": subscription.auth}
    made = WebPusher({"endpoint": subscription.endpoint, "keys": keys}).encode(payload, ENCODING)
    return bytes(made["body"])


def sign(subscription: PushSubscription, now: datetime) -> str:
    """Return the header Authorization of a message to a subscription's service.

    Raises:
        configs.settings.SettingMissing: VAPID_PRIVATE_KEY is not set.
    """
    hour = int(now.timestamp()) // _HOUR
    return _sign(
        settings().require("vapid_private_key"), f"https://{subscription.host}", hour, _find_contact()
    )


@lru_cache(maxsize=64)
def _sign(private_key: str, audience: str, hour: int, contact: str) -> str:
    """Sign once an hour for each service: elliptic curves take longer than all else of a message."""
    claims: dict[str, Any] = {"aud": audience, "exp": hour * _HOUR + _SIGNED_FOR, "sub": contact}
    signed: dict[str, str] = Vapid02.from_raw(private_key.encode()).sign(claims)
    return signed["Authorization"]


def read_own_key() -> str | None:
    """Return the public key of the pair by which messages are signed; None where there is none."""
    key = settings().vapid_private_key
    return _derive(key.get_secret_value()) if key else None


@lru_cache(maxsize=2)
def _derive(private_key: str) -> str:
    return write_public_key(read_private_key(private_key))


def _find_contact() -> str:
    """Return where a service may complain: https://www.rfc-editor.org/rfc/rfc8292#section-2.1."""
    now = settings()
    return f"mailto:{now.support_email or parseaddr(now.email_from)[1]}"
