"""One detection, many alerts by e-mail: until the stand-in took all, and single alerts of others meanwhile."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

import notifier
from configs.settings import settings
from deploy.bench.figures import Effort, Figure, Say, at_most, below, percentile
from deploy.bench.people import Crowd, detection
from deploy.local.ports import Ports
from deploy.local.processes import free_port, wait_until
from deploy.local.stack import Stack, running, wait_ready

_AWAITED = "evry-courcouronnes_91/bench-crowd"
_PREFECTURE, _PROCEDURE = "evry-courcouronnes_91", "NATURALISATION"
_APART = 0.05  # seconds between two single alerts
_PATIENCE = 120.0
_LEDGER = """
SELECT extract(epoch FROM n.accepted_at - n.seen_at) FROM notifications n
WHERE n.accepted_at IS NOT NULL AND n.params->>'desk_id' LIKE :desk"""


def run(effort: Effort, say: Say) -> list[Figure]:
    """Tell a crowd three times; the figures are those of the median time."""
    people, singles = effort.of(10_000, 60), effort.of(200, 5)
    with _stack(say) as stack:
        engine = sa.create_engine(stack.environment["DATABASE_URL"])
        Crowd("crowd", people, f"NULL, NULL, '{_AWAITED}'").write(engine)
        Crowd("single", singles, "NULL, NULL, 'single_91/desk-'||n").write(engine)
        rounds = [
            _tell(engine, people, turn, singles // effort.of(4, 1), say) for turn in range(effort.of(3, 1))
        ]
    seconds, alone = sorted(rounds)[len(rounds) // 2]
    return [
        Figure(f"{people} alerts of one detection, page read → all accepted, s", seconds, at_most(1)),
        Figure("a single alert meanwhile, page read → accepted, p50 ms", percentile(alone, 50) * 1000),
        Figure(
            "a single alert meanwhile, page read → accepted, p95 ms", percentile(alone, 95) * 1000, below(100)
        ),
    ]


@contextmanager
def _stack(say: Say) -> Iterator[Stack]:
    with TemporaryDirectory(prefix="rdv-bench-") as folder:
        usual = Ports(*(free_port() for _ in range(5)))
        with running(Path(folder), usual, say, world=False) as stack:
            os.environ.update(stack.environment)
            settings.cache_clear()
            wait_ready(stack)
            yield stack


def _tell(engine: sa.Engine, people: int, turn: int, singles: int, say: Say) -> tuple[float, list[float]]:
    """Let one slot open for all, then one each for others as long as that takes; return both delays in seconds."""
    before = _accepted(engine, _AWAITED)
    seen, _ = detection(engine, _AWAITED, _PREFECTURE, _PROCEDURE)
    notifier.detection_seen(seen)
    for number in range(singles):
        alone, _ = detection(engine, f"single_91/desk-{1 + turn * singles + number}", "single_91", _PROCEDURE)
        notifier.detection_seen(alone)
        time.sleep(_APART)
        if len(_accepted(engine, _AWAITED)) == len(before) + people:
            break
    told = number + 1
    nowhere = Path(os.devnull)
    wait_until(
        lambda: len(_accepted(engine, _AWAITED)) == len(before) + people,
        nowhere, what="the crowd", seconds=_PATIENCE,
    )  # fmt: skip
    wait_until(
        lambda: len(_accepted(engine, "single_91/%")) >= told,
        nowhere,
        what="the single ones",
        seconds=_PATIENCE,
    )
    newest = sorted(_accepted(engine, _AWAITED))
    alone_ones = _accepted(engine, "single_91/%")
    say(f"{people} people told in {newest[-1]:.2f} s, {told} single ones meanwhile")
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM notifications"))
    return newest[-1], alone_ones


def _accepted(engine: sa.Engine, desk: str) -> list[float]:
    with engine.connect() as connection:
        return [float(each) for each in connection.scalars(sa.text(_LEDGER), {"desk": desk})]
