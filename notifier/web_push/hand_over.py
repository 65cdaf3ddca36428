"""Hand-over of push messages: those of each host together, all at the same time, behind the host's breaker."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from configs.push_subscriptions import read_subscription
from notifier.channel_base import OutgoingMessage
from notifier.provider_base import Answer
from notifier.web_push.host_breakers import HostBreaker
from notifier.web_push.push_client import PushClient

Report = Callable[[OutgoingMessage, Answer], None]


async def hand_over(
    client: PushClient, messages: Sequence[OutgoingMessage], report: Report, threads: Executor | None = None
) -> None:
    """Hand messages over, and report each answer as it comes; breakers ask Redis on `threads`."""
    by_host: dict[str, list[OutgoingMessage]] = defaultdict(list)
    for message in messages:
        by_host[_find_host(message)].append(message)
    await asyncio.gather(
        *(_hand_over_to_host(client, host, mine, report, threads) for host, mine in by_host.items())
    )


def _find_host(message: OutgoingMessage) -> str:
    try:
        return read_subscription(message.address).host
    except ValueError:
        return ""  # the client says what is wrong


async def _hand_over_to_host(
    client: PushClient,
    host: str,
    messages: Sequence[OutgoingMessage],
    report: Report,
    threads: Executor | None,
) -> None:
    loop, breaker = asyncio.get_running_loop(), HostBreaker(host)

    async def send(message: OutgoingMessage) -> Answer:
        answer = await client.send(message)
        report(message, answer)
        return answer

    if refused := await loop.run_in_executor(threads, breaker.refuse, messages):
        for message, answer in zip(messages, refused, strict=True):
            report(message, answer)
        return
    answers = await asyncio.gather(*map(send, messages))
    await loop.run_in_executor(threads, breaker.record, answers)
