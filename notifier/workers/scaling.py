"""Scaling of the workers: more of one kind while its jobs wait for long and a core is free."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from operator import itemgetter

import structlog
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from configs.clock import clock
from configs.job_queues import read_oldest_seconds, without_retries
from configs.process_scaling import ProcessScale, has_free_core
from configs.redis import redis_client
from configs.settings import settings
from notifier.workers.queues import names_of

# By the first worker of each kind the work whose queues are measured. `critical` has two workers as it is, and the
# provider takes one call a second.
SCALED = {f"worker-{work}": work for work in ("many", "email", "sms", "telegram")}
_ANSWER_SECONDS = 0.5  # the parent starts no worker again meanwhile

log = structlog.get_logger(__name__)


def list_spares(worker: str) -> list[str]:
    """Return the names of the workers that may join a worker: `worker-sms-2`, `worker-sms-3` with WORKERS_MAX=3."""
    return [f"{worker}-{number}" for number in range(2, settings().workers_max + 1) if worker in SCALED]


def read_ages(workers: Iterable[str]) -> dict[str, float]:
    """Return, by worker, how many seconds the oldest job of its queues has waited; 0 where none waits.

    Raises:
        redis.RedisError: Redis is away.
    """
    with closing(without_retries(redis_client(_ANSWER_SECONDS))) as client:
        return {
            worker: max(
                read_oldest_seconds(Queue(name, connection=client, serializer=JSONSerializer), clock()) or 0
                for name in names_of(SCALED[worker])
            )
            for worker in workers
        }


class WorkerScaling:
    """Chooses which of a parent's workers run; `names` are those that always do.

    At most one is added at a time: the load average shows what it takes only after a while.
    """

    def __init__(
        self, names: Collection[str], read: Callable[[Iterable[str]], Mapping[str, float]] = read_ages
    ) -> None:
        self._names = frozenset(names)
        self._scales = {name: ProcessScale() for name in SCALED if name in names}
        self._read = read

    def choose(self) -> frozenset[str]:
        """Look at the queues; return the names of the workers that run now. If they cannot be read, all stays."""
        try:
            self._observe(self._read(self._scales))
        except RedisError as error:
            log.debug(
                "ages of queues cannot be read", because=type(error).__name__
            )  # each worker warns of it
        except Exception:  # of what others wrote to Redis; the parent of the workers must not end
            log.exception("ages of queues cannot be read")
        spares = (list_spares(name)[: scale.extra] for name, scale in self._scales.items())
        return self._names.union(*spares)

    def _observe(self, ages: Mapping[str, float]) -> None:
        """Grow the longest waiting kind that is due to, and shrink those that are."""
        now, is_free, most = clock(), has_free_core(), settings().workers_max - 1
        for name, age in sorted(ages.items(), key=itemgetter(1), reverse=True):
            before = self._scales[name]
            after = before.observe(is_free and age > settings().scale_late_seconds, now, most)
            self._scales[name] = after
            if after.extra < before.extra:
                log.info("one worker fewer", worker=name, count=after.extra + 1)
            elif after.extra > before.extra:
                log.info("one more worker", worker=name, count=after.extra + 1, oldest_seconds=age)
                self._scales = {each: replace(scale, since=now) for each, scale in self._scales.items()}
                return
