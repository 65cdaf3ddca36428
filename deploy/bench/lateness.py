"""Lateness, due → request at the site: 200 desks at their intervals, and 4 sites that hang."""

from functools import partial

from deploy.bench.due_times import DueTimeWatch, arrivals
from deploy.bench.figures import Effort, Figure, Say, at_most, percentile
from deploy.bench.fixture import BenchFixture, ground
from deploy.bench.servers import let_pass


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure for two or three intervals, after the desks are spread."""
    interval = effort.of(20, 2)
    world = BenchFixture(hosts=effort.of(204, 14), desks=effort.of(204, 14), interval=interval, hanging=4)
    with ground(world, HTTP_DEADLINE_SECONDS=str(effort.of(20, 3))) as made:
        watch = DueTimeWatch(made, partial(arrivals, made), 0.2)
        with made.spiders():
            let_pass(interval)
            with watch.watching():
                let_pass(1.7 * interval)
        late = watch.lateness()
    say(f"{len(late)} visits seen coming")
    return [
        Figure("lateness p50, ms", percentile(late, 50)),
        Figure("lateness p95, ms", percentile(late, 95), at_most(25)),
        Figure("lateness, longest, ms", max(late), at_most(250)),
    ]
