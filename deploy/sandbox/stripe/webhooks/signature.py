"""Signs webhooks: https://docs.stripe.com/webhooks#verify-manually ."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def sign_headers(body: bytes, secrets: Iterable[str], at: int) -> dict[str, str]:
    """Return the headers of a body: one signature for each secret, over ``<at>.<body>``."""
    signed = f"{at}.".encode() + body
    parts = [f"v1={hmac.new(secret.encode(), signed, 'sha256').hexdigest()}" for secret in secrets]
    header = ",".join([f"t={at}", *parts])
    return {"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"}
