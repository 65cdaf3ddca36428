"""Hand-over of push messages: those of each host together, all at the same time, behind the host's breaker."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime

from configs.clock import clock
from configs.push_subscriptions import is_listed, read_subscription
from configs.settings import settings
from notifier.channel_base import OutgoingMessage
from notifier.errors import NotAttempted
from notifier.provider_base import Answer
from notifier.web_push.host_breakers import HostBreaker
from notifier.web_push.push_client import PushClient

Report = Callable[[OutgoingMessage, Answer], None]


async def hand_over(
    client: PushClient,
    messages: Sequence[OutgoingMessage],
    report: Report,
    threads: Executor | None = None,
    until: datetime | None = None,
) -> None:
    """Hand messages over, and report each answer as it comes; breakers ask Redis on `threads`.

    What has not left by `until`, when its lease runs out, is another worker's to send.
    """
    by_host: dict[str, list[OutgoingMessage]] = defaultdict(list)
    for message in messages:
        by_host[_find_host(message)].append(message)
    made = _HandOver(client, report, threads, until)
    await asyncio.gather(*(made.to_host(host, mine) for host, mine in by_host.items()))


def _find_host(message: OutgoingMessage) -> str:
    """Return the host that is asked; empty where none is: the client says what is wrong."""
    try:
        host = read_subscription(message.address).host
    except ValueError:
        return ""
    return host if is_listed(host, settings().push_hosts) else ""


@dataclass(frozen=True, slots=True)
class _HandOver:
    """One call of `hand_over`."""

    client: PushClient
    report: Report
    threads: Executor | None
    until: datetime | None

    async def to_host(self, host: str, messages: Sequence[OutgoingMessage]) -> None:
        """Hand over what is for one host; what asks none says nothing about any service."""
        if not host:
            await asyncio.gather(*map(self._send, messages))
            return
        loop, breaker = asyncio.get_running_loop(), HostBreaker(host)
        if refused := await loop.run_in_executor(self.threads, breaker.refuse, messages):
            for message, answer in zip(messages, refused, strict=True):
                self.report(message, answer)
        elif self.until and clock() >= self.until:
            for message in messages:
                self.report(message, NotAttempted("the lease ran out before it left"))
        else:
            answers = await asyncio.gather(*map(self._send, messages))
            await loop.run_in_executor(self.threads, breaker.record, answers)

    async def _send(self, message: OutgoingMessage) -> Answer:
        answer = await self.client.send(message)
        self.report(message, answer)
        return answer
