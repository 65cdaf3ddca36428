"""Calls to the product's webhooks; receipts: SendGrid's events and Twilio's forms, signed and sent until taken.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
https://www.twilio.com/docs/usage/security#validating-requests
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.sandbox.clock import now
from deploy.sandbox.modes import Mode, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from deploy.sandbox.outbox import OutboxDraft

# delivered and spam (of SendGrid) say what a receipt says. late says delivered after ``seconds``, repeated says it
# ``times`` times, lost says nothing.
RECEIPT_MODES: Final[Table] = {
    "delivered": {},
    "spam": {},
    "late": {"seconds": 5},
    "repeated": {"times": 3},
    "lost": {},
}
_CALL: Final = ClientTimeout(total=10)
_CONNECTIONS: Final = 8
_SUCCESS: Final = range(200, 300)
_RETRY_SECONDS: Final = (1, 2, 4, 8, 15, 30, 60, 60)
_EVENTS: Final[dict[str, tuple[dict[str, str], ...]]] = {
    "delivered": ({"event": "processed"}, {"event": "delivered", "response": "250 OK"}),
    "spam": ({"event": "delivered", "response": "250 OK"}, {"event": "spamreport"}),
    "dropped": ({"event": "dropped", "reason": "Spam Reporting Address"},),
}
log = logging.getLogger("sandbox")


class OutgoingCalls:
    """The calls of one stand-in. It lives in the sandbox's event loop."""

    def __init__(self, what: str) -> None:
        self._what = what  # is called, for the log
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: ClientSession | None = None

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Let work go on until it ends or all is stopped."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[str, bytes | None]:
        """Return a call's status or error in a word, and the body of the answer where the call was taken (2xx)."""
        if self._client is None:
            self._client = ClientSession(timeout=_CALL, connector=TCPConnector(limit=_CONNECTIONS))
        taken = None
        try:
            async with self._client.post(url, data=body, headers=headers) as answer:
                outcome = str(answer.status)
                if answer.status in _SUCCESS:
                    taken = await answer.read()
        except (ClientError, TimeoutError, ValueError) as error:
            outcome = type(error).__name__
        if taken is None:
            log.warning("%s at %s: %s", self._what, url.partition("?")[0], outcome)
        return outcome, taken

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._client is not None:
            await self._client.close()
            self._client = None


class ReceiptSender:
    """Where receipts go, and how. Without ``hooks`` nothing is sent."""

    def __init__(self) -> None:
        self.hooks = ""  # base address of the webhooks, as http://127.0.0.1:4000/api/hooks
        self.secret = ""  # gives SendGrid's key
        self.mode = Mode("delivered")
        self.calls = OutgoingCalls("a receipt")

    def send(self, url: str, body: bytes, sign: Callable[[], dict[str, str]]) -> None:
        """Send a call as the mode says, signed when it leaves."""
        if not self.hooks or self.mode.name == "lost":
            return
        wait = self.mode.number("seconds") if self.mode.name == "late" else 0
        times = int(self.mode.number("times")) if self.mode.name == "repeated" else 1
        for _ in range(times):
            self.calls.run(self._deliver(url, body, sign, wait))

    async def reset(self) -> None:
        """End what is under way; say delivered again."""
        self.mode = Mode("delivered")
        await self.calls.stop()

    def send_form(self, url: str, token: str, form: dict[str, str]) -> None:
        """Send a form of Twilio's. Behind the # of an address are wishes to it, which repeats what failed anyway."""
        url = url.partition("#")[0]
        self.send(url, urlencode(form).encode(), lambda: sign_form(token, url, form))

    async def _deliver(self, url: str, body: bytes, sign: Callable[[], dict[str, str]], wait: float) -> None:
        for seconds in (wait, *_RETRY_SECONDS):
            await asyncio.sleep(seconds)
            _, taken = await self.calls.post(url, body, sign())
            if taken is not None:
                return


def make_events(says: str, provider_id: str, drafts: Sequence[OutboxDraft]) -> list[dict[str, Any]]:
    """Return SendGrid's events about the mails of one call."""
    at, call = int(now().timestamp()), secrets.token_urlsafe(16)
    return [
        draft.custom
        | {
            "email": draft.to,
            "timestamp": at,
            "sg_event_id": f"{call}-{number}-{event['event']}",
            "sg_message_id": f"{provider_id}.recvd-sandbox-1",
        }
        | event
        for number, draft in enumerate(drafts)
        for event in _EVENTS[says]
    ]


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
