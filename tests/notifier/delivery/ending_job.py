"""A call of a provider within a job that RQ ends."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from api.models.user import Channel
from notifier.channels.batch_sender import ProviderChoice
from notifier.channels.provider_base import Answer
from notifier.content.outgoing_message import OutgoingMessage


@contextmanager
def job_of(seconds: float) -> Iterator[None]:
    """Let what is inside be a job that RQ ends after so long."""
    with suppress(JobTimeoutException), UnixSignalDeathPenalty(60, JobTimeoutException):  # type: ignore[no-untyped-call] # RQ's own has no types
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield


def hand_over_in_job(channel: Channel, messages: Sequence[OutgoingMessage], seconds: float) -> list[Answer]:
    """Return the answers of a channel's providers, whose job ended meanwhile."""
    choice = ProviderChoice(channel, lambda: True)
    answers: list[Answer] = []
    with job_of(seconds):
        answers = choice.hand_over(messages)
    assert choice.is_over
    return answers
