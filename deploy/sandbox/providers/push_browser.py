"""The browser's side of web push: the keys of a subscription, and what only its browser reads.

https://www.rfc-editor.org/rfc/rfc8291 and https://www.rfc-editor.org/rfc/rfc8188#section-2, read anew here: our own
code must not be tested against itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_HALF_OF_CURVE: Final = 1 << 255  # below the order of P-256, so that every id gives a key
_HEAD: Final = struct.Struct("!16sIB")  # salt, size of a record, length of the key's id
_POINT, _TAG, _SIGNATURE = 65, 16, 64  # bytes
_LAST: Final = 2  # the byte behind the text of the last record


class NotReadable(ValueError):
    """A message that this browser cannot decrypt; the text says why."""


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Browser:
    """The browser behind a subscription of an id, which its keys follow from: a restart forgets no subscription."""

    def __init__(self, subscription_id: str) -> None:
        seed = hashlib.sha256(f"browser {subscription_id}".encode()).digest()
        number = int.from_bytes(seed, "big") % _HALF_OF_CURVE
        self._key = ec.derive_private_key(number or 1, ec.SECP256R1())
        self._auth = hashlib.sha256(f"auth {subscription_id}".encode()).digest()[:16]
        self._point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def keys(self) -> dict[str, str]:
        """Return the keys as ``PushSubscription.toJSON()`` has them."""
        return {"p256dh": _encode(self._point), "auth": _encode(self._auth)}

    def decrypt(self, body: bytes) -> bytes:
        """Return the text of a message of one record.

        Raises:
            NotReadable: it was encrypted for another browser, or is damaged.
        """
        if len(body) < _HEAD.size + _POINT + _TAG:
            raise NotReadable("too short")
        salt, size, length = _HEAD.unpack_from(body)
        point, sealed = body[_HEAD.size : _HEAD.size + length], body[_HEAD.size + length :]
        if length != _POINT or len(sealed) > size:
            raise NotReadable("not one record with the sender's key in its head")
        try:
            sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
            key, nonce = self._derive(sender, point, salt)
            text = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        except (ValueError, InvalidTag) as error:
            raise NotReadable("encrypted for another subscription, or damaged") from error
        if not text or text[-1] != _LAST:
            raise NotReadable("not the last record")
        return text[:-1]

    def _derive(self, sender: ec.EllipticCurvePublicKey, point: bytes, salt: bytes) -> tuple[bytes, bytes]:
        shared = self._key.exchange(ec.ECDH(), sender)
        secret = _expand(shared, self._auth, b"WebPush: info\0" + self._point + point, 32)
        key = _expand(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
        return key, _expand(secret, salt, b"Content-Encoding: nonce\0", 12)


def _expand(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=size, salt=salt, info=info).derive(secret)


class NotSigned(ValueError):
    """A sender that does not prove who it is (RFC 8292); the text says why."""


def read_sender(authorization: str) -> tuple[str, dict[str, Any]]:
    """Return the sender's public key and what it signed.

    Raises:
        NotSigned: there is no signature, or a wrong one.
    """
    scheme, _, rest = authorization.partition(" ")
    parts = dict(each.strip().split("=", 1) for each in rest.split(",") if "=" in each)
    if scheme.lower() != "vapid" or parts.keys() < {"t", "k"}:
        raise NotSigned("no `vapid t=…,k=…`")
    try:
        signed, _, signature = parts["t"].rpartition(".")
        raw = _decode(signature)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _decode(parts["k"]))
        half = _SIGNATURE // 2
        numbers = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        key.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(hashes.SHA256()))
        claims = json.loads(_decode(signed.partition(".")[2]))
    except (ValueError, InvalidSignature) as error:
        raise NotSigned(f"no valid token: {type(error).__name__}") from error
    if len(raw) != _SIGNATURE or not isinstance(claims, dict):
        raise NotSigned("no valid token")
    return parts["k"], claims
