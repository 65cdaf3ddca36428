"""A push service (RFC 8030) and the browsers behind it: what it takes is decrypted, and the inbox shows it.

Its encryption is read anew here (https://www.rfc-editor.org/rfc/rfc8291, https://www.rfc-editor.org/rfc/rfc8188#section-2):
our own code must not be tested against itself.

Endpoints are ``https://push.sandbox.test/send/<id>``; SANDBOX_HOSTS leads the name here. Any id is a subscription. One
that begins with ``silent-`` is never answered, one with ``gone-`` has ended.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import secrets
import struct
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.sandbox import addresses
from deploy.sandbox.clock import now
from deploy.sandbox.outbox import OutboxDraft
from deploy.sandbox.providers.provider import (
    PROVIDER_MODES,
    Accepted,
    Provider,
    RequestRefused,
    seen_at,
    told_ids,
)
from deploy.sandbox.request_body import read_body, text

if TYPE_CHECKING:
    from deploy.sandbox.modes import Parameters
    from deploy.sandbox.outbox import Outbox

HOST: Final = "push.sandbox.test"
_ORIGIN: Final = f"https://{HOST}"
_DAY: Final = 24 * 3600
_LARGEST: Final = 4096 + 200  # bytes, as the services take
_SILENT, _GONE = "silent-", "gone-"
_SHOWN: Final = frozenset({"title", "body", "url", "tag"})
# ended: every subscription has; redirect leads elsewhere; odd answers in no way that the protocol knows.
_MODES: Final[dict[str, Parameters]] = PROVIDER_MODES | {"ended": {}, "redirect": {}, "odd": {}}
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


def make_subscription(subscription_id: str) -> dict[str, Any]:
    """Return the subscription of an id as ``PushSubscription.toJSON()`` has it."""
    return {"endpoint": f"{_ORIGIN}/send/{subscription_id}", "keys": Browser(subscription_id).keys}


class PushService(Provider):
    """Web push: one call, one message to one browser."""

    channel = "push"
    provider_name = "web_push"
    host = addresses.PUSH
    mode_table = _MODES
    _ids = itertools.count(1)

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self.senders: dict[str, str] = {}  # by id: the key that the browser subscribed for

    def add_own_routes(self, app: web.Application) -> None:
        """Add the endpoints, and the control: a browser subscribes."""
        app.router.add_post("/send/{id}", self.call)
        app.router.add_post("/_control/subscriptions", self._subscribe)

    async def reset(self) -> None:
        """Forget its subscriptions too."""
        await super().reset()
        self.senders.clear()

    def subscribe(self, sender: str = "", subscription_id: str = "") -> dict[str, Any]:
        """Let a browser subscribe, for a sender's public key where one is given; return the subscription."""
        made = subscription_id or secrets.token_urlsafe(16)
        if sender:
            self.senders[made] = sender
        return make_subscription(made)

    def fail(self, mode: str, seconds: int) -> web.Response:
        """Answer by a status alone; 429 has Retry-After."""
        if mode == "rate_limited":
            return web.Response(status=429, headers={"Retry-After": str(seconds)})
        return web.Response(status=500 if mode == "error_500" else 401)

    def reject(self, drafts: list[OutboxDraft], *, named: bool) -> web.Response:  # noqa: ARG002 - one endpoint
        """Answer 410: the subscription ended."""
        return web.Response(status=410)

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Take a message, or answer as its subscription or the mode says."""
        subscription_id, mode = request.match_info["id"], self.modes.site.name
        answer = None
        if subscription_id.startswith(_SILENT):
            self.calls += 1
            await asyncio.Event().wait()
        if mode == "ended" or subscription_id.startswith(_GONE):
            answer = web.Response(status=410)
        elif mode == "redirect":
            answer = web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"})
        elif mode == "odd":
            answer = web.Response(status=418)
        if answer:
            self.calls += 1
            return answer
        return await super().call(request)

    async def read_call(self, request: web.Request) -> Accepted:
        """Check the sender, decrypt the message, and read what its page shows."""
        subscription_id, headers = request.match_info["id"], request.headers
        self._check_sender(request, subscription_id)
        if headers.get("Content-Encoding") != "aes128gcm" or not headers.get("TTL", "").isdecimal():
            raise _refuse(400, "needs Content-Encoding aes128gcm and a TTL")
        body = await request.read()
        if len(body) > _LARGEST:
            raise _refuse(413)
        try:
            payload = Browser(subscription_id).decrypt(body).decode()
            shown = json.loads(payload)
        except (NotReadable, ValueError) as error:
            raise _refuse(400, f"the browser cannot read it: {error}") from error
        if not isinstance(shown, dict) or shown.keys() != _SHOWN:
            raise _refuse(400, f"the payload has not {sorted(_SHOWN)}")
        draft = OutboxDraft(
            to=subscription_id,
            subject=shown["title"],
            text=shown["body"],
            seen_at=seen_at(headers.get("X-Seen-At")),
            custom=told_ids(request) | {"payload": payload},
            headers={name: headers.get(name, "") for name in ("TTL", "Topic", "Urgency")},
        )
        number = str(next(self._ids))
        answer = web.Response(status=201, headers={"Location": f"{_ORIGIN}/message/{number}"})
        return Accepted([draft], number, answer)

    def _check_sender(self, request: web.Request, subscription_id: str) -> None:
        try:
            key, claims = read_sender(request.headers.get("Authorization", ""))
        except NotSigned as error:
            raise _refuse(401, str(error)) from error
        is_ours = claims.get("aud") == _ORIGIN and str(claims.get("sub")).startswith("mailto:")
        if not is_ours or not 0 < claims.get("exp", 0) - now().timestamp() <= _DAY:
            raise _refuse(403, "aud, exp or sub is wrong")
        if self.senders.get(subscription_id, key) != key:
            raise _refuse(403, "the browser subscribed for another key")

    async def _subscribe(self, request: web.Request) -> web.Response:
        body = await read_body(request, frozenset({"applicationServerKey", "id"}))
        made = self.subscribe(text(body, "applicationServerKey") or "", text(body, "id") or "")
        return web.json_response(made, status=201)


def _refuse(status: int, text: str | None = None) -> RequestRefused:
    return RequestRefused(web.Response(status=status, text=text))
