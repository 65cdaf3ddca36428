"""The parts of a loop that fail now: each is isolated from the others, logged, and named by health."""

import logging
from collections.abc import Callable
from typing import TypeVar

import redis
import sqlalchemy as sa

log = logging.getLogger(__name__)

T = TypeVar("T")
# Errors of a server that does not answer: logged as one line, without a traceback.
AWAY = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.TimeoutError,
    redis.ConnectionError,
    redis.TimeoutError,
)


class PartFailures:
    """Runs the parts of a program's loops. Threads may share one, each with parts of its own."""

    def __init__(self) -> None:
        self._failing: dict[str, type[Exception]] = {}

    def run(self, part: str, work: Callable[[], T]) -> T | None:
        """Return what a part's work returns; None where it fails, which is logged once for each kind of error."""
        try:
            result = work()
        except Exception as error:  # the other parts must go on, whatever this one meets # noqa: BLE001
            self._note(part, error)
            return None
        if self._failing.pop(part, None):
            log.info("%s: works again", part)
        return result

    def names(self) -> dict[str, str]:
        """Return the parts whose last run failed, each with the class of its error: a stranger may read that."""
        return {part: kind.__name__ for part, kind in sorted(self._failing.copy().items())}

    def _note(self, part: str, error: Exception) -> None:
        known, self._failing[part] = self._failing.get(part), type(error)
        if known is type(error):
            return
        if isinstance(error, AWAY):
            log.warning("%s: waits until its server answers: %s", part, str(error).partition("\n")[0])
        else:
            log.error("%s: fails, it is tried again at the next look", part, exc_info=error)
