"""Durable write of a provider's answer: only the end of the process may lose it."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import structlog
from rq.timeouts import JobTimeoutException
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_fixed

from configs.database_errors import passes

T = TypeVar("T")
_AGAIN = 0.2  # seconds: well within the head start that the sweep gives when the database is back

log = structlog.get_logger(__name__)


def retry_until_written(write: Callable[[], T]) -> T:
    """Write, again and again while the database is away or takes no writes, or RQ's time for the job is up.

    Returns what `write` does.

    However long that takes: as long as the database is away nobody can take the row over and send it again.
    """
    patience = Retrying(
        retry=retry_if_exception(_passes),
        wait=wait_fixed(_AGAIN),
        sleep=_doze,
        before_sleep=_say_once,
    )
    return patience(write)


def _passes(error: BaseException) -> bool:
    return passes(error) or isinstance(error, JobTimeoutException)


def _doze(seconds: float) -> None:
    with suppress(JobTimeoutException):
        time.sleep(seconds)


def _say_once(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        log.warning("database away: a provider's answer waits to be written")
