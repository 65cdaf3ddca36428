"""Circuit breakers of push services, one for each host: a service that is away holds up no message to another.

Only what says that a host is away counts: no connection, or a 5xx. An endpoint that is never answered counts as its
own fault, so that nobody's dead subscription keeps messages from others on the same host. A further breaker counts the
answers of all hosts. It refuses nothing: health reads it.
"""

from collections.abc import Sequence

from configs.circuit_breaker import PROVIDER_REST_SECONDS, CircuitBreaker, CircuitOpen
from notifier.channel_base import OutgoingMessage
from notifier.errors import AddressBusy, Misconfigured, ProviderResting, RateLimited, TemporaryError
from notifier.provider_base import Answer
from notifier.web_push.answers import PROVIDER


class HostBreaker:
    """The breaker of one host, for one call with any number of messages."""

    def __init__(self, host: str) -> None:
        self._host = CircuitBreaker(f"{PROVIDER}:{host}", PROVIDER_REST_SECONDS())
        self._all = CircuitBreaker(PROVIDER, PROVIDER_REST_SECONDS())
        self._token = ""

    def refuse(self, messages: Sequence[OutgoingMessage]) -> list[Answer] | None:
        """Return the answer for each message where the host is left alone, else None."""
        try:
            self._token = self._host.begin_call()
        except CircuitOpen as error:
            return [ProviderResting("push service is left alone", error.retry_after)] * len(messages)
        return None

    def record(self, answers: Sequence[Answer]) -> None:
        """Record a call: a failure where no answer says that the host is there."""
        if all(map(_is_failure, answers)):
            self._host.record_failure(self._token)
            self._all.record_failure(self._token)
        else:
            self._host.record_success(self._token)
            self._all.record_success(self._token)


def _is_failure(answer: Answer) -> bool:
    return isinstance(answer, TemporaryError) and not isinstance(
        answer, RateLimited | AddressBusy | Misconfigured
    )
