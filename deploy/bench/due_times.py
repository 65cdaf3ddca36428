"""Lateness: when each desk was due, read from the queue, beside when its site was really asked."""

import json
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import redis

from deploy.bench.fixture import BenchStack
from deploy.bench.pages import address
from deploy.bench.servers import Servers

Arrivals = dict[str, list[float]]
Looks = list[tuple[float, dict[str, float]]]


class DueTimeWatch:
    """Looks at due queues now and then, for what each desk is due at; `asked` says when each was, since its last call.

    `every`: seconds between two looks; `systems`: whose queues.
    """

    def __init__(
        self,
        made: Servers,
        asked: Callable[[], Arrivals],
        every: float,
        systems: Sequence[str] = ("prefenligne",),
    ) -> None:
        self._made, self._arrivals, self._every = made, asked, every
        self._queues = [f"due:{system}" for system in systems]
        self._looks: Looks = []
        self._stop = threading.Event()
        self.asked: Arrivals = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """DueTimeWatch while the block lasts."""
        self._arrivals()
        thread = threading.Thread(target=self._watch_queues)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self.asked = self._arrivals()

    def lateness(self) -> list[float]:
        """Return for each visit that was seen coming how many milliseconds after its due time its site was asked."""
        return [1000 * (at - due) for _, due, at in self.due_visits()]

    def due_visits(self) -> Iterator[tuple[str, float, float]]:
        """Yield desk, due time and when it was asked, for each visit that was seen coming."""
        for desk, times in self.asked.items():
            seen = [(at, scores[desk]) for at, scores in self._looks if desk in scores]
            for before, now in pairwise([0.0, *times]):
                known = [score for at, score in seen if before < at < now and score <= now]
                if known:
                    yield desk, known[-1], now

    def _watch_queues(self) -> None:
        with redis.Redis.from_url(self._made.environment["REDIS_URL"], decode_responses=True) as client:
            while not self._stop.wait(self._every):
                scores: dict[str, float] = {}
                for queue in self._queues:
                    scores |= dict(client.zrange(queue, 0, -1, withscores=True))
                self._looks.append((time.time(), scores))


def arrivals(made: BenchStack) -> Arrivals:
    """Return when each desk's first page was asked since the last call."""
    names = made.world.names(made.port)
    with urllib.request.urlopen(f"http://{address(0)}:{made.port}/arrivals", timeout=30) as answer:
        told = json.load(answer)
    found: Arrivals = defaultdict(list)
    for host, form, at in told:
        found[names[f"http://{host}:{made.port}/booking/create/{form}"]].append(at)
    return found
