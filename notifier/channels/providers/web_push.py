"""Web push by pywebpush: all push services of browsers, which speak one protocol (RFC 8030).

Endpoints are addresses from outside. Only hosts of PUSH_HOSTS are asked, the browser makers' own. A payload stands on a
locked screen: its texts name neither a procedure nor a place.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from http import HTTPStatus

import structlog
from redis.exceptions import RedisError
from requests import Response
from rq.timeouts import JobTimeoutException

from api.models.user import Channel, ContactState
from configs.ground.addresses import resolve_stand_in
from configs.ground.clock import clock
from configs.ground.push_keys import read_private_key, write_public_key
from configs.ground.push_subscriptions import PushSubscription, is_listed, read_subscription
from configs.ground.redis import redis
from configs.settings import Constant, SettingMissing, settings
from notifier.channels.provider_base import (
    Acceptance,
    Answer,
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentError,
    Provider,
    Transport,
    provider_connect_seconds,
)
from notifier.content.message_kind_base import OutgoingMessage, account_page, split_sender

# How long one device's push service may keep silent
push_timeout_seconds = Constant("PUSH_TIMEOUT_SECONDS", 5.0)
# How long a push service keeps a message for a device that is offline
PUSH_KEPT_SECONDS = 900

PROVIDER = "web_push"
_NEW_SECONDS = 86_400.0
_MARGIN = 1.0  # seconds beyond the time-outs, after which an answer that trickles is waited for no longer
_LONGEST_TITLE, _LONGEST_BODY = 100, 300  # characters: services take 4,096 bytes, encrypted
_MICROSOFT = ".notify.windows.com"  # which wants to know the type: https://aka.ms/wns-push-headers
_ENDED = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
# The signature is refused, or is not the one that the browser subscribed for.
_OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

log = structlog.get_logger(__name__)


class _PushTransport(Transport):
    """Sorts the answers of push services (RFC 8030, sections 5 and 8)."""

    STAND_IN = "map it to a stand-in by SANDBOX_HOSTS"

    def find_timeout(self) -> float:
        return push_timeout_seconds()

    def sort(self, answer: Response) -> None:
        status = answer.status_code
        said = f"{self.name} answered {status}"
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise PermanentError(said)  # of this endpoint: its host is as it should be
        super().sort(answer)
        if status in _ENDED:
            raise PermanentError(f"{said}: the subscription ended", ContactState.BLOCKED)
        if status in _OURS:
            raise Misconfigured(f"{said}: check VAPID_PRIVATE_KEY and VAPID_PUBLIC_KEY")
        if status >= HTTPStatus.BAD_REQUEST:
            raise PermanentError(said)


class WebPush(Provider):
    """The messages of a call leave at the same time, on a thread each, and each is answered for itself."""

    SENDS_APART = True

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Iterator[Answer]:
        """Hand them over and yield all answers; one that does not come in time is left to its thread."""
        threads, stopped = ThreadPoolExecutor(len(messages)), None
        calls = [threads.submit(_send, each) for each in messages]
        threads.shutdown(wait=False)
        try:
            wait(calls, provider_connect_seconds() + push_timeout_seconds() + _MARGIN)
        except JobTimeoutException as error:
            stopped = error
        late = OutcomeUnknown(f"{PROVIDER} did not answer in time")
        yield from [each.result() if each.done() else late for each in calls]
        if stopped:
            raise stopped


@lru_cache(maxsize=1)
def _transport() -> _PushTransport:
    return _PushTransport(PROVIDER, Channel.PUSH)


def _send(message: OutgoingMessage) -> Answer:
    try:
        _post(message)
    except DeliveryError as error:
        return error
    except SettingMissing as error:
        return Misconfigured(str(error))
    except Exception as error:
        # The boundary: whatever one endpoint makes a library raise is that message's alone.
        log.exception("push failed", notifications=[str(each) for each in message.ids])
        return OutcomeUnknown(type(error).__name__)
    return Acceptance(PROVIDER, "")  # no receipt follows


def _post(message: OutgoingMessage) -> None:
    from pywebpush import WebPushException, webpush  # noqa: PLC0415 -- a worker that never sends by push does without it

    now, content = settings(), message.filled
    # What the service worker of our pages shows. A copy has the same `tag`, and replaces the first.
    shown = {
        "title": content.subject[:_LONGEST_TITLE],
        "body": " ".join(content.text.split())[:_LONGEST_BODY],
        "url": content.path if "://" in content.path else account_page(content.path.strip("/")),
        "tag": str(message.ids[0]),
    }
    contact = f"mailto:{now.support_email or split_sender()[1]}"  # where a service may complain
    try:
        subscription = read_subscription(message.address)
        if not is_listed(subscription.host, now.push_hosts):
            raise PermanentError("the endpoint's host is not one of PUSH_HOSTS")
        target, key = resolve_stand_in(subscription.endpoint, now.sandbox_hosts), now.vapid_private_key
        own = write_public_key(read_private_key(key.get_secret_value())) if key else None
        if own and subscription.is_of_former_key(own):
            if _is_new(own):
                raise Misconfigured(
                    "subscribed for another pair of keys: check VAPID_PRIVATE_KEY, which is new"
                )
            raise PermanentError("subscribed for a former key of ours", ContactState.BLOCKED)
        webpush(
            {"endpoint": target, "keys": {"p256dh": subscription.p256dh, "auth": subscription.auth}},
            json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode(),
            now.require("vapid_private_key"),
            {"aud": f"https://{subscription.host}", "sub": contact},  # who sends: RFC 8292
            ttl=PUSH_KEPT_SECONDS,
            headers=_build_headers(subscription, message),
            requests_session=_transport(),
        )
    except (ValueError, WebPushException) as error:
        if getattr(error, "response", None) is not None:
            return  # a yes of another number than 200 to 202: the transport has sorted the others
        reason = "no subscription that messages can be encrypted for"
        raise PermanentError(reason, ContactState.BLOCKED) from error


def _is_new(own: str) -> bool:
    """Whether a public key of ours was first used less than a day ago: a slip in the settings ends no subscription."""
    now = clock().timestamp()
    try:
        redis().set(f"notifier:push_key:{own}", now, nx=True)
        return now - float(redis().get(f"notifier:push_key:{own}") or now) < _NEW_SECONDS
    except RedisError as error:
        log.warning("no age of the push keys: Redis is away", because=type(error).__name__)
        return True


def _build_headers(subscription: PushSubscription, message: OutgoingMessage) -> dict[str, str]:
    """Return the headers; of a topic a service keeps one message for a device that is offline.

    https://www.rfc-editor.org/rfc/rfc8030#section-5.4: at most 32 characters of base64url.
    """
    topic = base64.urlsafe_b64encode(message.ids[0].bytes).rstrip(b"=").decode("ascii")
    headers = {"Urgency": "high", "Topic": topic}
    if subscription.host.endswith(_MICROSOFT):
        headers["X-WNS-Type"] = "wns/raw"
    return headers | message.inbox_headers
