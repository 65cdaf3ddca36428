"""Subscriptions as browsers hand them out, drawn for tests."""

import base64
import secrets
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from configs.ground.push_subscriptions import PushSubscription
from deploy.sandbox.providers.push import make_subscription

HOST = "updates.push.services.mozilla.com"


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def draw_p256dh() -> str:
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    return encode(
        point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )


def subscribe(host: str = HOST, path: str = "") -> dict[str, Any]:
    """Return what `PushSubscription.toJSON()` has, without `expirationTime`."""
    endpoint = f"https://{host}/{path or secrets.token_urlsafe(12)}"
    return {
        "endpoint": endpoint,
        "keys": {"p256dh": draw_p256dh(), "auth": encode(secrets.token_bytes(16))},
    }


def browser_address(name: str) -> str:
    """Return the address of a contact whose browser the stand-in of the push service is."""
    made = make_subscription(name)
    return PushSubscription(made["endpoint"], **made["keys"]).as_address()
