"""Lateness, due → request at the site: 200 desks at their intervals, and 4 sites that hang.

When each desk was due is read from the queue, and when it was asked from the page server.
"""

import json
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import redis

from tests.lab.bench.figures import Effort, Figure, Say, percentile
from tests.lab.bench.fixture import BenchFixture, BenchStack, ground
from tests.lab.bench.pages import address
from tests.lab.bench.servers import let_pass

_QUEUE = "crawler:due:prefenligne"
_EVERY = 0.2  # seconds between two looks at the queue
Arrivals = dict[str, list[float]]
Looks = list[tuple[float, dict[str, float]]]


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure for two or three intervals, after the desks are spread."""
    interval = effort.of(20, 2)
    world = BenchFixture(hosts=effort.of(204, 14), desks=effort.of(204, 14), interval=interval, hanging=4)
    looks: Looks = []
    with ground(world, HTTP_DEADLINE_SECONDS=str(effort.of(20, 3))) as made:
        with made.spider():
            let_pass(interval)
            _read_arrivals(made)
            with _watch_queue(made, looks):
                let_pass(1.7 * interval)
            asked = _read_arrivals(made)
        late = list(_lateness(looks, asked))
    say(f"{len(late)} visits seen coming")
    return [
        Figure("lateness p50, ms", percentile(late, 50)),
        Figure("lateness p95, ms", percentile(late, 95), "≤ 25"),
        Figure("lateness, longest, ms", max(late), "≤ 250"),
    ]


@contextmanager
def _watch_queue(made: BenchStack, looks: Looks) -> Iterator[None]:
    """Note now and then what each desk is due at, while the block lasts."""
    stop = threading.Event()

    def look() -> None:
        with redis.Redis.from_url(made.environment["REDIS_URL"], decode_responses=True) as client:
            while not stop.wait(_EVERY):
                looks.append((time.time(), dict(client.zrange(_QUEUE, 0, -1, withscores=True))))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _lateness(looks: Looks, asked: Arrivals) -> Iterator[float]:
    """Yield for each visit that was seen coming how many milliseconds after its due time its site was asked."""
    for desk, times in asked.items():
        seen = [(at, scores[desk]) for at, scores in looks if desk in scores]
        for before, now in pairwise([0.0, *times]):
            known = [score for at, score in seen if before < at < now and score <= now]
            if known:
                yield 1000 * (now - known[-1])


def _read_arrivals(made: BenchStack) -> Arrivals:
    """Return when each desk's first page was asked since the last call."""
    names = made.world.names(made.port)
    with urllib.request.urlopen(f"http://{address(0)}:{made.port}/arrivals", timeout=30) as answer:
        told = json.load(answer)
    found: Arrivals = defaultdict(list)
    for host, form, at in told:
        found[names[f"http://{host}:{made.port}/booking/create/{form}"]].append(at)
    return found
