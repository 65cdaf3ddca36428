"""Lane of push messages: their worker hands them over on a thread of its own, and goes on with its jobs.

Endpoints are chosen by users, and some never answer. The worker of push makes calls too, so it waits for none of them:
a job claims its messages and is done. One thread has an event loop for all that are under way, another one records
their answers, and waits while the database is away; a third one asks the breakers. A claim's lease is longer than an
endpoint may take; a worker that dies leaves it to run out.
"""

import asyncio
import resource
import threading
from collections.abc import AsyncIterator, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from configs.clock import clock
from configs.constants import Constant
from notifier import nudges
from notifier.channel_base import Acceptance, OutgoingMessage
from notifier.delivery import delivery
from notifier.delivery.claiming import ClaimedMessage
from notifier.nudges import WaitingWork
from notifier.provider_base import Answer

if TYPE_CHECKING:
    from notifier.web_push.push_client import PushClient

# Messages by push that are under way at the same time; more wait for a second
_PUSH_UNDER_WAY = Constant("PUSH_UNDER_WAY", 2000)

_FULL_SECONDS = 1.0  # until the sweep asks again for messages that found no room
_OTHER_FILES = 500  # of a worker besides its messages
_JOIN_SECONDS = 5.0  # for the thread to end its connections
_END_SECONDS = 1.0  # for what is under way when the worker leaves
RenderedClaim = tuple[ClaimedMessage, OutgoingMessage]
_Answered = tuple[ClaimedMessage, Answer]

log = structlog.get_logger(__name__)


class PushLane:
    """Messages under way. `deliver` is for one thread; nothing is loaded before the first message."""

    def __init__(self) -> None:
        self._under_way = 0
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: PushClient | None = None
        self._recorder = ThreadPoolExecutor(1, "push-answers")
        self._breakers = ThreadPoolExecutor(1, "push-breakers")

    def deliver(self, waiting: Sequence[WaitingWork]) -> None:
        """Claim messages and let them leave; put them off for a second where too many are under way."""
        if self._under_way + len(waiting) > _PUSH_UNDER_WAY():
            again = clock() + timedelta(seconds=_FULL_SECONDS)
            nudges.put_off({each.id: again for each in waiting})
            return
        rendered, failed = delivery.render_messages(delivery.claim([each.id for each in waiting]))
        for sent in failed:
            delivery.record(sent)
        if rendered:
            self._change(len(rendered))
            asyncio.run_coroutine_threadsafe(self._send(rendered), self._start())

    def close(self, seconds: float) -> None:
        """Wait so long for what is under way, then end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, seconds)
        if self._loop and self._thread:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop)
            self._thread.join(_JOIN_SECONDS)
        self._recorder.shutdown(wait=False, cancel_futures=True)
        self._breakers.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            _allow_sockets()
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="push", daemon=True)
            self._thread.start()
        return self._loop

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._client:
            await self._client.__aexit__()
        asyncio.get_running_loop().stop()

    def _change(self, by: int) -> None:
        with self._changed:
            self._under_way += by
            self._changed.notify_all()

    async def _send(self, rendered: Sequence[RenderedClaim]) -> None:
        left = len(rendered)
        try:
            async for answered in self._hand_over(rendered):
                await asyncio.get_running_loop().run_in_executor(self._recorder, record_together, answered)
                left -= len(answered)
                self._change(-len(answered))
        except Exception:
            # The boundary: whatever goes wrong, the leases of these messages run out and they are tried again.
            log.exception("push messages were lost on their way", count=left)
        finally:
            self._change(-left)

    async def _hand_over(self, rendered: Sequence[RenderedClaim]) -> AsyncIterator[list[_Answered]]:
        """Yield answers as they come: those together that came while the ones before were recorded."""
        from notifier.web_push.hand_over import hand_over  # noqa: PLC0415 -- late: an idle worker does without aiohttp
        from notifier.web_push.push_client import PushClient  # noqa: PLC0415 -- as above

        self._client = self._client or PushClient()
        claimed, answered, came = (
            {id(each): one for one, each in rendered},
            list[_Answered](),
            asyncio.Event(),
        )

        def report(message: OutgoingMessage, answer: Answer) -> None:
            answered.append((claimed[id(message)], answer))
            came.set()

        outgoing = [each for _, each in rendered]
        until = min(each.until for each, _ in rendered)
        sending = asyncio.ensure_future(hand_over(self._client, outgoing, report, self._breakers, until))
        sending.add_done_callback(lambda _: came.set())
        while not sending.done() or answered:
            await came.wait()
            came.clear()
            together, answered[:] = list(answered), []
            if together:
                yield together
        await sending


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _allow_sockets() -> None:
    """Let this process have as many open sockets as messages under way; many systems allow 1,024 at first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _PUSH_UNDER_WAY() + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def record_together(answered: Sequence[_Answered]) -> None:
    """Record answers, those that are alike in one transaction."""
    groups: dict[Hashable, tuple[list[ClaimedMessage], Answer]] = {}
    for message, answer in answered:
        key = (message.token, answer if isinstance(answer, Acceptance) else id(answer))
        groups.setdefault(key, ([], answer))[0].append(message)
    for messages, answer in groups.values():
        delivery.record(delivery.Sent(messages, answer))


_lanes: list[PushLane] = []  # of this process: one at most


@contextmanager
def open_lane() -> Iterator[PushLane]:
    """Let this process send aside; at the end what is under way has a second."""
    lane = PushLane()
    _lanes.append(lane)
    try:
        yield lane
    finally:
        _lanes.remove(lane)
        lane.close(_END_SECONDS)


def find_lane() -> PushLane | None:
    """Return the lane of this process; None where messages are sent in turn."""
    return next(iter(_lanes), None)
