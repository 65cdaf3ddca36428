"""A push service (RFC 8030) and the browsers behind it: what it takes is decrypted, and the inbox shows it.

Endpoints are ``https://push.sandbox.test/send/<id>``; SANDBOX_HOSTS leads the name here. Any id is a subscription. One
that begins with ``silent-`` is never answered, one with ``gone-`` has ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import secrets
from typing import TYPE_CHECKING, Any, Final

import http_ece
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_decode, base64url_encode

from deploy.sandbox import addresses
from deploy.sandbox.clock import now
from deploy.sandbox.outbox import OutboxDraft
from deploy.sandbox.providers.provider import (
    MESSAGE_MODES,
    Accepted,
    MessageProvider,
    RequestRefused,
    read_told,
)
from deploy.sandbox.providers.receipts import derive_key
from deploy.sandbox.request_body import Body, read_body

if TYPE_CHECKING:
    from deploy.sandbox.modes import Parameters
    from deploy.sandbox.outbox import Outbox

HOST: Final = "push.sandbox.test"
_ORIGIN: Final = f"https://{HOST}"
_DAY: Final = 24 * 3600
_LARGEST: Final = 86 + 4096  # bytes: the head (RFC 8188) and one record, all that browsers take
_SILENT, _GONE = "silent-", "gone-"
_SHOWN: Final = frozenset({"title", "body", "url", "tag"})
# ended: every subscription has; redirect leads elsewhere; odd answers in no way that the protocol knows.
_ODD: Final = {"ended": 410, "redirect": 307, "odd": 418}
_MODES: Final[dict[str, Parameters]] = MESSAGE_MODES | {mode: {} for mode in _ODD}


def _browser(subscription_id: str) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """Return the key and the secret of a subscription's browser; they follow from its id: a restart forgets none."""
    auth = hashlib.sha256(f"auth {subscription_id}".encode()).digest()[:16]
    return derive_key(f"browser {subscription_id}"), auth


def make_subscription(subscription_id: str) -> dict[str, Any]:
    """Return the subscription of an id as ``PushSubscription.toJSON()`` has it."""
    key, auth = _browser(subscription_id)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys = {"p256dh": base64url_encode(point).decode(), "auth": base64url_encode(auth).decode()}
    return {"endpoint": f"{_ORIGIN}/send/{subscription_id}", "keys": keys}


def _decrypt(subscription_id: str, body: bytes) -> bytes:
    """Return the text of a message (RFC 8291); RequestRefused where it was encrypted for another, or is damaged."""
    key, auth = _browser(subscription_id)
    try:
        message: bytes = http_ece.decrypt(body, private_key=key, auth_secret=auth)
    except (http_ece.ECEException, ValueError) as error:
        raise _refuse(400, f"the browser cannot read it: {error}") from error
    return message


def read_sender(authorization: str) -> tuple[str, dict[str, Any]]:
    """Return the sender's public key and what it signed (RFC 8292); RequestRefused where nothing is proven."""
    scheme, _, rest = authorization.partition(" ")
    parts = dict(each.strip().split("=", 1) for each in rest.split(",") if "=" in each)
    if scheme.lower() != "vapid" or parts.keys() < {"t", "k"}:
        raise _refuse(401, "no `vapid t=…,k=…`")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), base64url_decode(parts["k"]))
        claims = jwt.decode(parts["t"], key, ["ES256"], options={"require": ["exp", "sub"]}, audience=_ORIGIN)
    except (ValueError, jwt.DecodeError) as error:
        raise _refuse(401, f"no valid token: {error}") from error
    except jwt.InvalidTokenError as error:
        raise _refuse(403, f"{error}") from error
    return parts["k"], claims


class _NewSubscription(Body):
    applicationServerKey: str = ""  # noqa: N815 - as browsers call it
    id: str = ""


class PushService(MessageProvider):
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
        if subscription_id.startswith(_GONE):
            mode = "ended"
        if subscription_id.startswith(_SILENT):
            self.calls += 1
            await asyncio.Event().wait()
        if mode in _ODD:
            self.calls += 1
            return web.Response(status=_ODD[mode], headers={"Location": "http://127.0.0.1:1/"})
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
        payload = _decrypt(subscription_id, body).decode()
        shown = json.loads(payload)
        if not isinstance(shown, dict) or shown.keys() != _SHOWN:
            raise _refuse(400, f"the payload has not {sorted(_SHOWN)}")
        told = read_told(headers.get)
        told["custom"] |= {"payload": payload}
        sent = {name: headers.get(name, "") for name in ("TTL", "Topic", "Urgency")}
        draft = OutboxDraft(
            to=subscription_id, subject=shown["title"], text=shown["body"], headers=sent, **told
        )
        number = str(next(self._ids))
        answer = web.Response(status=201, headers={"Location": f"{_ORIGIN}/message/{number}"})
        return Accepted([draft], number, answer)

    def _check_sender(self, request: web.Request, subscription_id: str) -> None:
        key, claims = read_sender(request.headers.get("Authorization", ""))
        if not claims["sub"].startswith("mailto:") or claims["exp"] - now().timestamp() > _DAY:
            raise _refuse(403, "exp or sub is wrong")
        if self.senders.get(subscription_id, key) != key:
            raise _refuse(403, "the browser subscribed for another key")

    async def _subscribe(self, request: web.Request) -> web.Response:
        body = await read_body(request, _NewSubscription)
        return web.json_response(self.subscribe(body.applicationServerKey, body.id), status=201)


def _refuse(status: int, text: str | None = None) -> RequestRefused:
    return RequestRefused(web.Response(status=status, text=text))
