"""Keys of web push: the pair by which we sign as a sender (VAPID), and those that a browser hands out.

Keys are in base64url without padding. By our own pair (VAPID, RFC 8292) a push service knows who sends. Browsers
subscribe for the public key, and take nothing that another key signed: a new pair ends all subscriptions.
"""

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_SCALAR_BYTES, _POINT_BYTES, _AUTH_BYTES = 32, 65, 16  # of P-256: a private key, an uncompressed point


def read_private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """Return the private key of VAPID_PRIVATE_KEY.

    Raises:
        ValueError: it is not 32 bytes in base64url, or no key of P-256.
    """
    raw = _read_base64(text, _SCALAR_BYTES)
    return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())


def write_public_key(private_key: ec.EllipticCurvePrivateKey) -> str:
    """Return the public key of a pair as browsers and VAPID_PUBLIC_KEY have it."""
    point = private_key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return _write_base64(point)


def draw_keys() -> tuple[str, str]:
    """Return a new pair: VAPID_PRIVATE_KEY and VAPID_PUBLIC_KEY."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    scalar = private_key.private_numbers().private_value.to_bytes(_SCALAR_BYTES, "big")
    return _write_base64(scalar), write_public_key(private_key)


def check_public_key(text: str) -> str:
    """Return a public key, ours or a browser's, without padding.

    Raises:
        ValueError: it is no point of P-256.
    """
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _read_base64(text, _POINT_BYTES))
    return text.rstrip("=")


def check_auth(text: str) -> str:
    """Return a subscription's secret without padding.

    Raises:
        ValueError: it is not 16 bytes.
    """
    _read_base64(text, _AUTH_BYTES)
    return text.rstrip("=")


def _write_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _read_base64(text: str, size: int) -> bytes:
    bare = text.rstrip("=")
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise ValueError("is not base64url") from None
    if len(raw) != size:
        raise ValueError(f"has {len(raw)} bytes, not {size}")
    return raw
