"""Sender of batches: messages of the same content in one call where that is taken, by the providers that are well.

Redis has the moments at which a channel's last messages left, and the health of providers, for all processes. Rates,
and which provider is asked when: docs/reference/delivery.md.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from queue import SimpleQueue
from threading import Semaphore, Thread
from time import sleep

import structlog
from redis.exceptions import RedisError
from rq.timeouts import JobTimeoutException

from api.models.base import database_clock
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.redis import read_script, redis
from configs.programs.circuit_breaker import (
    PROVIDER_SLOW_SECONDS,
    CircuitBreaker,
    CircuitOpen,
    provider_rest_seconds,
)
from configs.settings import Constant, SettingMissing, settings
from notifier.channels.fates import OUTCOMES, STRENGTH, Fate, Sort
from notifier.channels.provider_base import (
    USUAL_WAIT,
    Acceptance,
    AddressBusy,
    Answer,
    DeliveryError,
    Misconfigured,
    NotAttempted,
    OutcomeUnknown,
    PermanentError,
    Provider,
    ProviderResting,
    RateLimited,
    TemporaryError,
    may_have_left,
)
from notifier.content.message_kind_base import OutgoingMessage

# How many calls a second Twilio begins; it queues the others, which would then ring late
_calls_per_second = Constant("CALLS_PER_SECOND", 1)
# How many messages a second Telegram takes of one bot, all chats together:
# https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
_telegram_per_second = Constant("TELEGRAM_PER_SECOND", 30)
# How many SMS a second Twilio takes of the number or service that they come from
_sms_per_second = Constant("SMS_PER_SECOND", 10)
_WINDOWS = 5  # in a second
_AT_ONCE = 10  # SMS or chats of a job
_WINDOWS_OF_JOB = 3  # in which all of a job's messages leave
# A little more: of two messages the later one may be the quicker on its way to the provider
_SECOND = 1.05
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Limits:
    """A channel's providers, and what they take."""

    providers: Sequence[str] = ()
    most: int = 1  # messages in one call, or at the same time; a job names so many
    per_second: Constant[int] | None = None  # where that is known
    one_a_call: bool = False  # those of a job leave at the same time, on a thread each


_LIMITS: Mapping[str, _Limits] = {
    # SendGrid takes 1000. That many would be of unknown fate where it hangs, and a bad address fails all of a call:
    # https://www.twilio.com/docs/sendgrid/for-developers/sending-email/personalizations
    Channel.EMAIL: _Limits(most=500),  # by MAIL_PROVIDERS
    Channel.SMS: _Limits(("twilio",), most=20, per_second=_sms_per_second, one_a_call=True),
    Channel.TELEGRAM: _Limits(("telegram",), most=20, per_second=_telegram_per_second, one_a_call=True),
    Channel.VOICE: _Limits(("twilio_calls",), per_second=_calls_per_second),
    Channel.PUSH: _Limits(("web_push",), most=10),
}


@lru_cache(maxsize=1)
def providers() -> dict[str, Provider]:
    """Return all providers by name, imported at the first call: their SDKs take tens of megabytes."""
    from notifier.channels.providers import sendgrid, smtp, telegram, twilio, web_push  # noqa: PLC0415 -- at the first call

    return {
        "sendgrid": sendgrid.SendGrid(),
        "smtp": smtp.Smtp(),
        "telegram": telegram.Telegram(),
        "twilio": twilio.Twilio(twilio.SMS),
        "twilio_calls": twilio.Twilio(twilio.CALLS),
        "web_push": web_push.WebPush(),
    }


def providers_of(channel: str) -> list[tuple[str, Provider]]:
    """Return a channel's providers with their names, those to try first in front."""
    names = settings().mail_providers if channel == Channel.EMAIL else _LIMITS[channel].providers
    return [(each, providers()[each]) for each in names]


def most_at_once(channel: str) -> int:
    """Return how many messages a channel hands over in one call or at once; a job names and claims as many."""
    limits, rate = _LIMITS[channel], per_second(channel)
    return min(limits.most, _WINDOWS_OF_JOB * _count_places(rate)) if rate else limits.most


def per_second(channel: str) -> int | None:
    """Return how many messages a second a channel's provider takes; None where no limit is known."""
    limit = _LIMITS[channel].per_second
    return limit() if limit else None


def take_place(channel: Channel, may_wait: Callable[[], bool]) -> bool:
    """Take a place now or, while `may_wait` says so, as soon as there is one; return whether there was one."""
    if (rate := per_second(channel)) is None:
        return True
    while (seconds := _take(channel, rate)) > 0:
        if channel is Channel.VOICE or not may_wait():
            return False
        sleep(seconds)
    return True


def _take(channel: Channel, rate: int) -> float:
    """Take a place for a message of so many a second; return for how long there is none, 0 where there is."""
    places, keys = _count_places(rate), [f"notifier:rate:{channel.value}"]
    given: list[str | float] = [places, f"{clock().timestamp():.6f}", _SECOND / (rate // places)]
    try:
        return float(read_script("notifier.channels", "take_place")(keys=keys, args=given, client=redis()))
    except RedisError as error:
        # The provider itself refuses what is too much.
        log.warning("no rate: Redis is away", because=type(error).__name__)
        return 0.0


def _count_places(rate: int) -> int:
    """Return how many of so many messages a second have a place in a window."""
    return max(1, rate // _WINDOWS)


Answered = tuple[list[OutgoingMessage], Answer]


def batches(
    messages: Iterable[OutgoingMessage], most: int, *, apart: bool = False
) -> Iterator[list[OutgoingMessage]]:
    """Put messages of the same content together, at most so many, and no address twice: providers refuse that.

    Whether a provider's lists hold them up is said of a call, not of each message. Those that leave `apart` need not be
    alike.
    """
    rest = list(messages)
    while rest:
        batch, addresses, later = [rest[0]], {rest[0].address.casefold()}, []
        for message in rest[1:]:
            address = message.address.casefold()
            is_alike = message.content is rest[0].content and message.passes_lists is rest[0].passes_lists
            if len(batch) < most and (apart or is_alike) and address not in addresses:
                batch.append(message)
                addresses.add(address)
            else:
                later.append(message)
        yield batch
        rest = later


@dataclass(slots=True)
class BatchSender:
    """Hands messages to one channel's providers, call by call, until an answer could come after the lease."""

    name: Channel
    until: datetime
    has_called: bool = field(default=False, init=False)
    is_over: bool = field(default=False, init=False)  # the job has to end

    def send(self, messages: Sequence[OutgoingMessage]) -> Iterator[Answered]:
        """Yield each answer as it comes, with its messages: every message once. Raises nothing."""
        # What leaves apart need not share its content.
        one_a_call = _LIMITS[self.name].one_a_call
        apart = one_a_call or any(provider.SENDS_APART for _, provider in providers_of(self.name))
        for batch in batches(messages, most_at_once(self.name), apart=apart):
            yield from self._offer_each(batch) if one_a_call and len(batch) > 1 else self._offer(batch)

    def _offer_each(self, batch: list[OutgoingMessage]) -> Iterator[Answered]:
        """Offer each message on a thread of its own; yield the answers as they come."""
        answers: SimpleQueue[Answered] = SimpleQueue()
        room = Semaphore(_AT_ONCE)

        def offer(message: OutgoingMessage) -> None:
            try:
                with room:
                    for answered in self._offer([message]):
                        answers.put(answered)
            except Exception as error:
                # An error in a thread reaches no caller: without an answer the job would wait until its end.
                log.exception("provider failed", notifications=[str(each) for each in message.ids])
                answers.put(([message], OutcomeUnknown(type(error).__name__)))

        for each in batch:
            Thread(target=offer, args=(each,), daemon=True).start()
        waiting = list(batch)
        while waiting:
            try:
                together, answer = answers.get()
            except JobTimeoutException:
                self.is_over = True
                together, answer = waiting, OutcomeUnknown("no answer before the job had to end")
            waiting = [each for each in waiting if each not in together]
            yield together, answer

    def _offer(self, batch: list[OutgoingMessage]) -> Iterator[Answered]:
        # Answered alike, in the order of their answers: each group is recorded in a transaction, before the lease ends.
        groups: dict[Hashable, Answered] = {}
        for message, answer in zip(batch, self._begin(batch), strict=True):
            key = answer if isinstance(answer, Acceptance) else id(answer)
            groups.setdefault(key, ([], answer))[0].append(message)
        places = {id(message): place for place, message in enumerate(batch)}
        for together, answer in groups.values():
            if (
                not isinstance(answer, PermanentError)
                or answer.of_all
                or (len(together) == 1 and not answer.at_fault)
            ):
                yield together, answer
                continue
            named = [each for each in together if places[id(each)] in answer.at_fault]
            if named:
                yield named, answer
            rest = [message for message in together if message not in named]
            # in halves where the answer names no message at fault
            middle = 0 if answer.at_fault else len(rest) // 2
            for part in filter(None, (rest[:middle], rest[middle:])):
                yield from self._offer(part)

    def _begin(self, batch: list[OutgoingMessage]) -> Sequence[Answer]:
        if self.is_over or (self.has_called and not self._has_time()):
            return [NotAttempted("put back: the lease was too short for one more call")] * len(batch)
        self.has_called = True
        return self.hand_over(batch)

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> list[Answer]:
        """Return the answer for each message, in their order. Raises nothing."""
        names, answers = providers_of(self.name), list[Answer | None]([None] * len(messages))
        for place, (name, provider) in enumerate(names):
            rest = [
                number
                for number, answer in enumerate(answers)
                if answer is None or OUTCOMES[answer.fate, self.name, Sort.OTHER].asks_next
            ]
            if not rest or self.is_over or (place and not self._has_time()):
                break
            alternatives = len(names) > place + 1
            asked = self._ask(name, provider, [messages[each] for each in rest], alternatives=alternatives)
            for refusal in {each for each in asked if isinstance(each, PermanentError)}:
                refusal.at_fault = frozenset(rest[each] for each in refusal.at_fault if each < len(rest))
            for number, answer in zip(rest, asked, strict=True):
                answers[number] = _join(answers[number], answer)
        return [answer or TemporaryError(f"{self.name} has no provider") for answer in answers]

    def _ask(
        self, name: str, provider: Provider, messages: Sequence[OutgoingMessage], *, alternatives: bool
    ) -> Sequence[Answer]:
        waits = [provider.find_wait(each) for each in messages]
        if (wait := max(waits)) > 0:
            return [ProviderResting(f"{name} asked to wait", wait)] * len(messages)
        # As late as may be: what comes between a place and its call may bring two calls nearer to each other.
        if not take_place(self.name, self._has_time):
            return [NotAttempted("put back: the provider takes no more for now")] * len(messages)
        breaker = breaker_of(name, alternatives=alternatives)
        try:
            token = breaker.begin_call()
        except CircuitOpen as error:
            return [ProviderResting(f"{name} is left alone", error.retry_after)] * len(messages)
        began = time.monotonic()
        answers = self._call(provider, messages)
        floods = [
            answer.retry_after or 0.0
            for message, answer, waited in zip(messages, answers, waits, strict=True)
            if not provider.learn_wait(message, answer, is_try=waited < 0) and isinstance(answer, RateLimited)
        ]
        if max(floods, default=0.0) >= USUAL_WAIT:
            breaker.record_flood(max(floods))
        if _has_failed(provider, answers):
            breaker.record_failure(token)
        else:
            attempted = sum(not isinstance(each, NotAttempted) for each in answers)
            calls = max(attempted, 1) if provider.IS_SEQUENTIAL else 1
            breaker.record_success(token, (time.monotonic() - began) / calls)
        return answers

    def _call(self, provider: Provider, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        answers: list[Answer] = []
        failure: DeliveryError
        may_have_left.set(True)  # until this provider knows better: what an earlier call knew is over
        try:
            answers.extend(provider.hand_over(messages))
        except DeliveryError as error:
            failure = error
        except SettingMissing as error:
            failure = Misconfigured(str(error))
        except JobTimeoutException:
            self.is_over = True
            failure = OutcomeUnknown("no answer before the job had to end")
            if not may_have_left.get():
                failure = TemporaryError(f"{self.name} not reached before the job had to end")
        except Exception as error:
            # The boundary: an SDK may raise anything, and the rows must learn of it.
            log.exception(
                "provider failed", notifications=[str(key) for each in messages for key in each.ids]
            )
            failure = OutcomeUnknown(type(error).__name__)
        else:
            return answers
        rest = len(messages) - len(answers)
        if not provider.IS_SEQUENTIAL or not isinstance(failure, OutcomeUnknown):
            return [*answers, *[failure] * rest]
        # Behind the first, which has no answer, some were not attempted.
        return [*answers, failure, *[NotAttempted("an earlier message of the call failed")] * (rest - 1)]

    def _has_time(self) -> bool:
        return not self.is_over and database_clock() < self.until


def breaker_of(provider: str, *, alternatives: bool) -> CircuitBreaker:
    """Return the breaker that all workers share. Slow answers are better than none where no other provider follows."""
    slow = PROVIDER_SLOW_SECONDS if alternatives else 0.0
    return CircuitBreaker(provider, provider_rest_seconds(), slow)


def _join(earlier: Answer | None, answer: Answer) -> Answer:
    """Return what two providers' answers say together; the later one where both say as much.

    After a plain no what was not attempted is put back; of two that may be asked later, the first to be asked counts.
    """
    if earlier is None:
        return answer
    if isinstance(answer, Acceptance):
        copies = answer.copies_unknown + (earlier.fate is Fate.UNKNOWN)
        return replace(answer, copies_unknown=copies) if copies else answer
    if isinstance(earlier, TemporaryError) and isinstance(answer, TemporaryError):
        # By when their provider can be asked again; one that greylists needs minutes.
        waits = (isinstance(earlier, AddressBusy), earlier.retry_after or 0.0)
        return earlier if waits < (isinstance(answer, AddressBusy), answer.retry_after or 0.0) else answer
    return max(answer, earlier, key=lambda each: (STRENGTH.index(each.fate), isinstance(each, NotAttempted)))


def _has_failed(provider: Provider, answers: Sequence[Answer]) -> bool:
    """Whether a call says that its provider is away.

    Where messages leave apart, no answer may say that it is there, and an address that is never answered is its own
    fault: it keeps no message from others.
    """
    refused, busy = TemporaryError | OutcomeUnknown, RateLimited | AddressBusy
    failures = [each for each in answers if isinstance(each, refused) and not isinstance(each, busy)]
    if provider.SENDS_APART:
        return len(failures) == len(answers) and all(isinstance(each, TemporaryError) for each in failures)
    return bool(failures)
