"""Signs receipts as SendGrid and Twilio do.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
https://www.twilio.com/docs/usage/security#validating-requests
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

_HALF_OF_CURVE: Final = 1 << 255  # below the order of P-256, so that every secret gives a key


def derive_key(secret: str) -> ec.EllipticCurvePrivateKey:
    """Return the key of P-256 that a secret makes, always the same."""
    number = int.from_bytes(hashlib.sha256(secret.encode()).digest(), "big") % _HALF_OF_CURVE
    return ec.derive_private_key(number or 1, ec.SECP256R1())


def make_public_key(secret: str) -> str:
    """Return the verification key of the key that a secret makes, as SendGrid shows its own."""
    key = derive_key(secret).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def sign_events(secret: str, body: bytes, at: int) -> dict[str, str]:
    """Return the headers of a call of the event webhook."""
    signature = derive_key(secret).sign(str(at).encode() + body, ec.ECDSA(SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": str(at),
        "Content-Type": "application/json",
    }


def sign_form(token: str, url: str, form: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a call with a form."""
    signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
    return {
        "X-Twilio-Signature": base64.b64encode(digest).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
