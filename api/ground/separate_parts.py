"""Parts of a job that are done each in its own turn: what one meets keeps no other from its turn."""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from api.models.base import session
from configs.ground.database_errors import is_away

Part = TypeVar("Part")
_AT_ONCE = 100  # between two looks at what is due
log = structlog.get_logger(__name__)


def do_each(
    what: str,
    parts: Iterable[Part],
    work: Callable[[Part], bool | None],
    stops: tuple[type[Exception], ...] = (),
) -> tuple[int, int]:
    """Do each part; return how many were done (False: there was nothing to do) and how many failed.

    What a part raises is logged, with `what` it is a part of; the job's next run tries it again. A lock that was not
    given or a statement that took too long fails its part alone. Where the database is away no part can be done: that
    is raised. After an error that `stops`, the others wait for the next run.
    """
    done = failed = 0
    for part in parts:
        try:
            done += work(part) is not False
        except stops as error:
            log.warning("the others wait for the next run", what=what, because=str(error))
            return done, failed + 1
        except Exception as error:
            if is_away(error):
                raise
            log.exception("a part of a job failed, the others go on", what=what, part=str(part))
            failed += 1
    return done, failed


def do_due(
    what: str,
    find: Callable[[Session, int], Sequence[UUID]],
    work: Callable[[UUID], bool | None],
    seconds: float,
    stops: tuple[type[Exception], ...] = (),
) -> tuple[int, int]:
    """Do what `find` returns as due, so many rows at most, for so long at most; return what `do_each` does.

    Any number that stay due keep no other from its turn.
    """
    ends, done, failed = time.monotonic() + seconds, 0, 0
    tried: set[UUID] = set()
    while time.monotonic() < ends:
        with session() as s:
            due = [each for each in find(s, _AT_ONCE + len(tried) - done) if each not in tried]
        if not due:
            break
        in_time = takewhile(lambda _: time.monotonic() < ends, due)
        more = do_each(what, in_time, work, stops)
        done, failed = done + more[0], failed + more[1]
        tried.update(due)
    return done, failed
