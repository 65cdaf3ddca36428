"""Parts of a job that are done each in its own turn: what one meets keeps no other from its turn."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from configs.database_errors import is_away

Part = TypeVar("Part")
log = structlog.get_logger(__name__)


def do_each(what: str, parts: Iterable[Part], work: Callable[[Part], bool | None]) -> tuple[int, int]:
    """Do each part; return how many were done (False: there was nothing to do) and how many failed.

    What a part raises is logged, with `what` it is a part of; the job's next run tries it again. A lock that was not
    given or a statement that took too long fails its part alone. Where the database is away no part can be done: that
    is raised.
    """
    done = failed = 0
    for part in parts:
        try:
            done += work(part) is not False
        except Exception as error:
            if is_away(error):
                raise
            log.exception("a part of a job failed, the others go on", what=what, part=str(part))
            failed += 1
    return done, failed
