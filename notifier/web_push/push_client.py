"""Client of the push services: many messages at the same time, each with its own deadline.

Endpoints are addresses from outside. Their host is listed, looked up once, refused unless public, and connected to as
looked up. Redirects are not followed, and of an answer only the head counts.
"""

from typing import Self
from urllib.parse import urlsplit

import aiohttp
import structlog
from yarl import URL

from api.models.user import ContactState
from configs.clock import clock
from configs.constants import Constant
from configs.hosts import is_loopback, resolve_stand_in
from configs.push_subscriptions import PushSubscription, is_listed, read_subscription
from configs.settings import SettingMissing, settings
from notifier.channel_base import OutgoingMessage
from notifier.errors import (
    AddressBusy,
    DeliveryError,
    LeavesLoopback,
    Misconfigured,
    OutcomeUnknown,
    PermanentError,
    TemporaryError,
)
from notifier.provider_base import Answer
from notifier.web_push.answers import sort_answer
from notifier.web_push.encryption import ENCODING, encrypt, read_own_key, sign
from notifier.web_push.guarded_resolver import GuardedResolver, PrivateAddress
from notifier.web_push.payload import build_payload, build_topic

# How long one device's push service may take to answer
PUSH_TIMEOUT_SECONDS = Constant("PUSH_TIMEOUT_SECONDS", 5.0)
# How long a push service keeps a message for a device that is offline
PUSH_KEPT_SECONDS = 900

_CONNECT_SECONDS = 3.0
_MICROSOFT = ".notify.windows.com"  # which wants to know the type: https://aka.ms/wns-push-headers
_MOST_OF_HEAD = 8 * 1024  # bytes of one header

log = structlog.get_logger(__name__)


class PushClient:
    """Connections to push services; `async with` opens and closes them. It belongs to one event loop."""

    def __init__(self) -> None:
        self._resolver = GuardedResolver()
        connector = aiohttp.TCPConnector(limit=0, resolver=self._resolver, use_dns_cache=False)
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_MOST_OF_HEAD,
            max_field_size=_MOST_OF_HEAD,
            auto_decompress=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._resolver.close()

    async def send(self, message: OutgoingMessage) -> Answer:
        """Hand one message over; return the answer, in PUSH_TIMEOUT_SECONDS at most. Raises nothing."""
        try:
            return await self._send(message)
        except DeliveryError as error:
            return error
        except SettingMissing as error:
            return Misconfigured(str(error))
        except Exception as error:
            # The boundary: whatever one endpoint makes a library raise is that message's alone.
            log.exception("push failed", notifications=[str(each) for each in message.ids])
            return OutcomeUnknown(type(error).__name__)

    async def _send(self, message: OutgoingMessage) -> Answer:
        subscription, body = _encrypt(message)
        url = find_target(subscription)
        limit = PUSH_TIMEOUT_SECONDS()
        timeout = aiohttp.ClientTimeout(total=limit, connect=min(_CONNECT_SECONDS, limit))
        headers = _build_headers(subscription, message)
        try:
            # Leaving the block ends the connection of an answer that was not read whole.
            async with self._session.post(
                URL(url, encoded=True), data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                return sort_answer(answer.status, answer.headers.get("Retry-After", ""))
        except aiohttp.ClientConnectorError as error:
            raise _explain_unreached(error) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise TemporaryError("push service not reached: no connection in time") from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise OutcomeUnknown(f"push service did not answer: {type(error).__name__}") from error


def _encrypt(message: OutgoingMessage) -> tuple[PushSubscription, bytes]:
    try:
        subscription = read_subscription(message.address)
        if subscription.is_of_former_key(read_own_key()):
            raise PermanentError("subscribed for a former key of ours", ContactState.BLOCKED)
        return subscription, encrypt(subscription, build_payload(message))
    except ValueError as error:
        raise PermanentError(
            "no subscription that messages can be encrypted for", ContactState.BLOCKED
        ) from error


def find_target(subscription: PushSubscription) -> str:
    """Return where a message is posted to: the endpoint, or its stand-in.

    Raises:
        PermanentError: PUSH_HOSTS does not name its host any more.
        LeavesLoopback: it is not this machine and APP_ENV does not allow that.
    """
    if not is_listed(subscription.host, settings().push_hosts):
        raise PermanentError("the endpoint's host is not one of PUSH_HOSTS")
    url = resolve_stand_in(subscription.endpoint, settings().sandbox_hosts)
    host = urlsplit(url).hostname or ""
    if settings().loopback_only and not is_loopback(host):
        raise LeavesLoopback(
            f"{host} is not on this machine, and APP_ENV={settings().app_env} sends to loopback only: map it to a"
            " stand-in by SANDBOX_HOSTS"
        )
    return url


def _build_headers(subscription: PushSubscription, message: OutgoingMessage) -> dict[str, str]:
    headers = {
        "Authorization": sign(subscription, clock()),
        "Content-Encoding": ENCODING,
        "Content-Type": "application/octet-stream",
        "TTL": str(PUSH_KEPT_SECONDS),
        "Urgency": "high",
        "Topic": build_topic(message),
    }
    if subscription.host.endswith(_MICROSOFT):
        headers["X-WNS-Type"] = "wns/raw"
    if settings().loopback_only:  # what the sandbox's inbox reads
        headers |= {f"X-{name.replace('_', '-')}": value for name, value in message.metadata.items()}
        headers |= {"X-Seen-At": message.seen_at.isoformat()} if message.seen_at else {}
    return headers


def _explain_unreached(error: aiohttp.ClientConnectorError) -> DeliveryError:
    if isinstance(error.os_error, PrivateAddress):
        return PermanentError("the endpoint's host leads into a private network")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return AddressBusy("the endpoint's host has no address")  # its name comes from outside
    return TemporaryError(f"push service not reached: {type(error.os_error).__name__}")
