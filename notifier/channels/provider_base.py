"""Providers: what they are handed, give back and raise, their base class, and the HTTP session that most have.

The session has time-outs, a limit on bytes, sorts failures and knows how far a call got. An answer has a deadline from
its first byte to its last, so one that trickles ends there, one that floods at `_MOST_BYTES`.
"""

import io
import math
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from api.models.notification import PAID_CHANNELS, Notification
from api.models.provider_event import ReceiptKind
from api.models.user import Channel, ContactState
from configs.ground.addresses import country_of, is_loopback
from configs.ground.retry_after import parse_retry_after
from configs.ground.text import truncate_line
from configs.settings import Constant, settings
from configs.settings.groups import OTHER
from notifier.channels.fates import SERVER_ERROR, Fate
from notifier.content.message_kind_base import OutgoingMessage

# How long a provider's whole answer may take before it counts as one that does not answer
provider_timeout_seconds = Constant("PROVIDER_TIMEOUT_SECONDS", 10.0)
# The same where another provider of mail can take the message over
provider_switch_seconds = Constant("PROVIDER_SWITCH_SECONDS", 4.0)
# How long a phone rings: less than most voicemails wait
call_ring_seconds = Constant("CALL_RING_SECONDS", 25)
# A session with a provider that was idle for longer opens new connections: a NAT or a load balancer forgets idle ones
_provider_idle_seconds = Constant("PROVIDER_IDLE_SECONDS", 30.0)

# How long connecting to a provider may take
provider_connect_seconds = Constant("PROVIDER_CONNECT_SECONDS", 3.0)
# The server did not want to wait for the request, or to risk it: https://www.rfc-editor.org/rfc/rfc9110#name-408-request-timeout
NOT_TAKEN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
_MOST_BYTES = 1 << 20  # of an answer: a list of Telegram's updates is the longest
_LONGEST_REASON = 300  # characters
# Of waits that providers ask for, in seconds: the one that others count as, and the longest that makes sense
USUAL_WAIT, _LONGEST_SENSE = 45.0, 86_400.0
LONGEST_EVENT_ID = 255  # characters: what our table takes
_LONGEST_ID = 250  # characters; those of our providers have 22 to 40


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A provider's yes."""

    fate: ClassVar[Fate] = Fate.YES

    provider: str
    provider_id: str  # its id of the message; empty where it gives none
    cost: Decimal | None = None  # in EUR, by our settings
    delivered: bool = False  # its yes is the receipt
    awaits_receipt: bool = False  # it will say later what became of the message
    receipt_within: float | None = None  # seconds, where that is not NO_RECEIPT_SECONDS
    copies_unknown: int = 0  # other providers that may have accepted it before, in the same attempt
    segments: int | None = None  # that an SMS is billed as

    def __post_init__(self) -> None:
        """Keep of the id what the table takes: one that it refuses would have the message sent again."""
        object.__setattr__(self, "provider_id", truncate_line(self.provider_id, _LONGEST_ID))


class DeliveryError(Exception):
    """A message did not get a yes. `reason` is kept in its row: no address, no secret, no provider's prose."""

    fate: Fate

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = truncate_line(reason, _LONGEST_REASON)  # it may repeat what the provider answered


class PermanentError(DeliveryError):
    """Permanent: the same message to the same address will never be taken.

    `contact_state` is the state that the refusal gives the address, if any. Where a batch was refused, `at_fault` are
    the indexes of the messages that it names; `of_all` is set where the refusal is not about the addresses.
    """

    def __init__(
        self,
        reason: str,
        contact_state: ContactState | None = None,
        at_fault: frozenset[int] = frozenset(),
        *,
        of_all: bool = False,
    ) -> None:
        super().__init__(reason)
        self.contact_state = contact_state
        self.fate = Fate.ADDRESS if contact_state else Fate.MESSAGE
        self.at_fault = at_fault
        self.of_all = of_all


class NothingToEdit(PermanentError):
    """The message that was to be edited is gone at the provider. No letter is dead: there is nothing left to say."""


class TemporaryError(DeliveryError):
    """Temporary: the provider did not take it and said so, or was never reached. `retry_after` is in seconds."""

    fate = Fate.NOT_YET

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class RateLimited(TemporaryError):
    """The provider works, and asks for fewer messages."""


class AddressBusy(TemporaryError):
    """The provider works; only this address cannot be delivered to just now."""


class ProviderResting(TemporaryError):
    """No call was made: every provider of the channel failed lately and is left alone. The attempt does not count."""


class Misconfigured(TemporaryError):
    """Our key, sender or address of the provider is refused or missing: no message is to blame for that."""

    fate = Fate.OURS


class OutcomeUnknown(DeliveryError):
    """Unknown: the request left, and no answer came, or one of a server behind which it may have been accepted."""

    fate = Fate.UNKNOWN


class NotAttempted(DeliveryError):
    """The message never left: there was no time to wait for its answer. The attempt does not count."""

    fate = Fate.NOT_YET


Answer: TypeAlias = Acceptance | DeliveryError


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider says later of a message, as it sent it."""

    event_id: str  # the provider's id of the event, the same in a repetition
    kind: ReceiptKind
    at: datetime  # by the provider's clock
    # Of the message, or of the person who answered; compared with the contact's and never stored
    address: str
    message_id: str | None = None  # the provider's id of the message
    notification_ids: tuple[UUID, ...] = ()  # as they travelled with the message
    code: str | None = None  # the provider's error code


def parse_ids(text: str) -> tuple[UUID, ...]:
    """Return the ids in a list with commas or dots; parts that are no id are left out."""
    found = []
    for part in text.replace(".", ",").split(","):
        try:
            found.append(UUID(part.strip()))
        except ValueError:
            continue
    return tuple(found)


def answer_seconds(provider: str) -> float:
    """Return how long that provider's whole answer may take."""
    longest = provider_timeout_seconds()
    is_followed = provider in settings().mail_providers[:-1]
    return min(longest, provider_switch_seconds()) if is_followed else longest


class Provider(ABC):
    """A service that takes messages over. One file in `notifier/channels/providers/` defines one provider."""

    # Its messages are answered one after the other, as `hand_over` yields them
    IS_SEQUENTIAL: ClassVar[bool] = False
    # The messages of a call leave apart, each to a server of its address: what one answers says nothing of another.
    SENDS_APART: ClassVar[bool] = False

    @abstractmethod
    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Iterable[Answer]:
        """Hand over messages of one content, no address twice; give an answer for each, in their order.

        Messages that were answered together share one object.

        Raises:
            DeliveryError: the answer for all that have none yet, sorted into its fate;
                PermanentError names the messages at fault where it is known.
        """

    def find_wait(self, _message: OutgoingMessage) -> float:
        """Return for how many seconds the provider asked that no such message is sent; below 0 for one that tries."""
        return 0.0

    def learn_wait(self, _message: OutgoingMessage, _answer: Answer, *, is_try: bool) -> bool:  # noqa: ARG002 -- Telegram's
        """Note what an answer says of such waits; return whether that is all, and the provider goes on."""
        return False


def find_price(channel: Channel, number: str) -> Decimal:
    """Return what a segment of an SMS to a number costs, or a call: one minute, as our calls last less; in EUR."""
    prices = settings().sms_price if channel is Channel.SMS else settings().call_price
    return prices.get(country_of(number) or OTHER, prices[OTHER])


def price_settled(row: Notification) -> Decimal | None:
    """Return what a message cost of which only a receipt says that it was accepted; an SMS counts as one segment."""
    number = row.contact.address if row.contact else ""
    return find_price(row.channel, number) if row.channel in PAID_CHANNELS else None


# Whether the provider may have the last request of this thread; True where it sent none by these rules
may_have_left: ContextVar[bool] = ContextVar("may_have_left", default=True)
# By when the answer to it must be whole, by time.monotonic()
answer_until: ContextVar[float] = ContextVar("answer_until", default=math.inf)


class TimedReader(io.RawIOBase):
    """Reads a socket; a read has no more time than is left for the whole answer."""

    def __init__(self, read_from: socket.socket) -> None:
        super().__init__()
        self._socket, self._raw = read_from, read_from.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Say so."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read some bytes; return how many.

        Raises:
            TimeoutError: there was no time left.
        """
        if (left := answer_until.get() - time.monotonic()) <= 0:
            raise TimeoutError("no time is left for the answer")
        self._socket.settimeout(min(left, provider_timeout_seconds()))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close it; the socket stays open."""
        self._raw.close()
        super().close()


def guard_host(host: str, mend: str) -> None:
    """Let nothing leave this machine where APP_ENV does not allow that; `mend` is what the error asks for.

    Raises:
        PermanentError: the host is another machine.
    """
    if settings().loopback_only and not is_loopback(host):
        raise PermanentError(
            f"{host} is not on this machine, and APP_ENV={settings().app_env} sends to loopback only: "
            f"{mend}, or set APP_ENV=production"
        )


def read_retry_after(answer: Response) -> float | None:
    """Return the seconds that an answer asks to wait, None where it does not say."""
    return read_wait(answer.headers.get("Retry-After"))


def read_wait(said: object) -> float | None:
    """Return the seconds that a provider asks to wait, USUAL_WAIT for words that make no sense; None for none."""
    if said is None:
        return None
    seconds, is_none = parse_retry_after(str(said)), str(said).strip() in ("0", "0.0")
    return seconds if is_none or (seconds and seconds <= _LONGEST_SENSE) else USUAL_WAIT


def read_json(answer: Response) -> dict[str, Any]:
    """Return the fields of an answer; none where it is no JSON object."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


class AnswerTooLong(requests.RequestException):
    """The answer has more than _MOST_BYTES."""


class _Response(HTTPResponse):
    """An answer whose status, headers and body have one deadline."""

    def __init__(self, read_from: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(read_from, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(TimedReader(read_from))


class _Connection(HTTPConnection):
    response_class = _Response

    def request(self, *arguments: Any, **options: Any) -> None:
        if self.is_closed:
            self.connect()
        may_have_left.set(True)
        super().request(*arguments, **options)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


# Pools of connections whose answers have one deadline, `answer_until`
POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TlsPool}


class _Adapter(HTTPAdapter):
    """Makes connections whose progress is noted, and reads answers of so many bytes."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = dict(POOLS)

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        answer = super().send(request, *arguments, **options | {"stream": True})
        body = answer.raw.read(_MOST_BYTES + 1, decode_content=True)
        if len(body) > _MOST_BYTES:
            answer.raw.close()
            raise AnswerTooLong
        answer.raw = io.BytesIO(body)
        return answer


class Transport(requests.Session):
    """A session with one provider, whose `name` the reasons start with; threads may share it.

    Answers of 408, 425, 429 and 5xx are raised; `wait` reads from them how long the provider wants to be left alone,
    `is_own` whether they are in its own words, not those of a proxy or a firewall before it. So is any other 4xx in no
    words of its own, where that is known. A redirect says that the address is wrong. The channel judges every other
    answer.
    """

    STAND_IN: ClassVar[str] = "name a stand-in of {name} in STAND_INS"

    def __init__(
        self,
        name: str,
        channel: Channel | None = None,
        *,
        wait: Callable[[Response], float | None] = read_retry_after,
        is_own: Callable[[Response], bool] = lambda _: True,
    ) -> None:
        super().__init__()
        self.name, self.wait, self.is_own = name, wait, is_own
        self.server_error = SERVER_ERROR[channel] if channel else Fate.UNKNOWN
        # A .netrc would replace our Authorization, a proxy of the environment would carry messages past the guard.
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._used_at = time.monotonic()
        self.mount("https://", _Adapter())
        self.mount("http://", _Adapter())

    def find_timeout(self) -> float:
        """Return the seconds in which the whole answer must come."""
        return answer_seconds(self.name)

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Send one request. Redirects are not followed.

        Raises:
            PermanentError: the address is not this machine and APP_ENV does not allow that.
            Misconfigured: the provider answered 3xx.
            RateLimited: the provider answered 429.
            TemporaryError: the provider cannot have taken it: it was not reached, or answered so.
            OutcomeUnknown: the request may have left, and no whole answer came in time, or one that proves nothing.
        """
        guard_host(urlsplit(request.url or "").hostname or "", self.STAND_IN.format(name=self.name))
        now = time.monotonic()
        if now - self._used_at > _provider_idle_seconds():
            self.close()
        self._used_at = now
        seconds = self.find_timeout()
        timeout = (min(provider_connect_seconds(), seconds), seconds)
        may_have_left.set(False)
        answer_until.set(now + seconds)
        try:
            answer = super().send(request, **options | {"timeout": timeout, "allow_redirects": False})
        except (requests.RequestException, HTTPError, OSError) as error:
            because = type(error).__name__
            if may_have_left.get():
                raise OutcomeUnknown(f"{self.name} did not answer: {because}") from error
            raise TemporaryError(f"{self.name} not reached: {because}") from error
        if answer.status_code < HTTPStatus.OK:  # not the last answer: urllib3 takes it for that
            self.close()
            raise OutcomeUnknown(f"{self.name} answered {answer.status_code}, which is no end")
        self.sort(answer)
        return answer

    def sort(self, answer: Response) -> None:
        """Raise what an answer means that says nothing of the message."""
        said, status = f"{self.name} answered {answer.status_code}", answer.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RateLimited(said, self.wait(answer))
        is_away = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        is_own = status < HTTPStatus.BAD_REQUEST or self.is_own(answer)
        proves_nothing = status != HTTPStatus.SERVICE_UNAVAILABLE or not is_own
        if is_away and proves_nothing and self.server_error is Fate.UNKNOWN:
            raise OutcomeUnknown(said)
        if is_away or status in NOT_TAKEN:
            raise TemporaryError(said, self.wait(answer))
        if not is_own:
            raise TemporaryError(f"{said}, in no words of its own")
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise Misconfigured(f"{said}: check its address in STAND_INS")
