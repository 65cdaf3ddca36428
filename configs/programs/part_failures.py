"""Parts of a program's loops that fail: logged once for each kind of error, and named for health."""

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from configs.ground.database_errors import passes
from configs.ground.logs import OutageLog

T = TypeVar("T")
_REDIS_AWAY = (RedisConnectionError, RedisTimeoutError)

log = logging.getLogger(__name__)


class PartFailures:
    """Runs the parts of a program's loops. Threads may share one, each with parts of its own."""

    def __init__(self) -> None:
        self._failing: defaultdict[str, OutageLog] = defaultdict(OutageLog)

    def run(self, part: str, work: Callable[[], T]) -> T | None:
        """Return what a part's work returns; None where it fails, which is logged once for each kind of error."""
        try:
            result = work()
        except Exception as error:  # the other parts must go on, whatever this one meets # noqa: BLE001
            self._note(part, error)
            return None
        if self._failing[part].end():
            log.info("%s: works again", part)
        return result

    def names(self) -> dict[str, str]:
        """Return the parts whose last run failed, each with the class of its error: a stranger may read that."""
        kinds = {part: outage.kind for part, outage in self._failing.copy().items()}
        return {part: kind.__name__ for part, kind in sorted(kinds.items()) if isinstance(kind, type)}

    def _note(self, part: str, error: Exception) -> None:
        if not self._failing[part].begin(str(error), type(error)):
            return
        if isinstance(error, _REDIS_AWAY) or passes(error):  # one line, without a traceback
            log.warning("%s: waits until its server answers: %s", part, str(error).partition("\n")[0])
        else:
            log.error("%s: fails, it is tried again at the next look", part, exc_info=error)
