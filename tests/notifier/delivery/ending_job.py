"""Providers and calls of the tests of delivery: one that answers as a test wants, and a job that RQ ends."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from api.models.user import Channel
from configs.ground.clock import clock
from notifier.channels.batch_sender import BatchSender, providers
from notifier.channels.provider_base import Acceptance, Answer, Provider
from notifier.content.outgoing_message import OutgoingMessage


@contextmanager
def job_of(seconds: float) -> Iterator[None]:
    """Let what is inside be a job that RQ ends after so long."""
    with suppress(JobTimeoutException), UnixSignalDeathPenalty(60, JobTimeoutException):  # type: ignore[no-untyped-call] # RQ's own has no types
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield


def hand_over_in_job(channel: Channel, messages: Sequence[OutgoingMessage], seconds: float) -> list[Answer]:
    """Return the answers of a channel's providers, whose job ended meanwhile."""
    sender = BatchSender(channel, clock() + timedelta(hours=1))
    answers: list[Answer] = []
    providers()  # imported before the time begins
    with job_of(seconds):
        answers = sender.hand_over(messages)
    assert sender.is_over
    return answers


class Answering(Provider):
    """Gives one answer to every call: that, an error, or a yes once a function of its messages was called."""

    def __init__(
        self, answer: Acceptance | Exception | Callable[[Sequence[OutgoingMessage]], object]
    ) -> None:
        self.answer = answer
        self.calls: list[int] = []  # messages of each
        self.taken: list[str] = []  # addresses

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        self.calls.append(len(messages))
        if isinstance(self.answer, Exception):
            raise self.answer
        if callable(self.answer):
            self.answer(messages)
        self.taken += [each.address for each in messages]
        accepted = self.answer if isinstance(self.answer, Acceptance) else Acceptance("test", "1")
        return [accepted] * len(messages)
