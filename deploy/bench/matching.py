"""Matching one detection among very many alerts, few of which want it: the query, and the whole transaction."""

import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from configs.clock import clock
from configs.prefecture import Procedure
from deploy.bench import rearming
from deploy.bench.figures import Effort, Figure, Say, below, forget
from deploy.bench.people import Crowd, detection
from deploy.local.environment import sandbox_environment
from deploy.local.ports import StackPorts, choose
from deploy.local.postgres import start_postgres

_EACH = 5  # alerts of one person
_PER_PAYING = 50  # one in so many has a plan now
_TURNS = 21
_PREFECTURES = 101


def run(effort: Effort, say: Say) -> list[Figure]:
    """Write the alerts, dealt out to all prefectures and procedures; match detections one after the other."""
    alerts = effort.of(1_000_000, 20_000)
    with TemporaryDirectory(prefix="rdv-bench-") as folder:
        postgres = start_postgres(Path(folder) / "postgres")
        try:
            postgres.create("bench")
            os.environ |= sandbox_environment(
                Path(folder), choose(StackPorts()), postgres.url("bench"), "redis://127.0.0.1:1/0"
            )
            del os.environ["PREFECTURES_DIR"]  # nothing is watched here: the shipped files do
            forget()
            os.environ["PROGRAM"] = "notifier"
            engine = sa.create_engine(postgres.url("bench"))
            return _measure(engine, alerts, say) + rearming.measure(engine, effort, say)
        finally:
            postgres.stop()


def _measure(engine: sa.Engine, alerts: int, say: Say) -> list[Figure]:
    from api.migrations.__main__ import main as migrate  # noqa: PLC0415 -- reads the environment
    from api.models.base import session  # noqa: PLC0415
    from api.models.slot import Detection  # noqa: PLC0415
    from notifier import match_service, matching  # noqa: PLC0415

    migrate(["upgrade"])
    words = ", ".join(f"'{each.value}'" for each in Procedure)
    place, word = (
        f"'bench_'||(n + k * 7) % {_PREFECTURES}",
        f"(ARRAY[{words}])[1 + (n * 3 + k) % {len(Procedure)}]",
    )
    Crowd("many", alerts // _EACH, f"{place}, {word}, NULL", _EACH, _PER_PAYING).write(engine)
    say(f"{alerts} alerts written")
    queries, whole, told = [], [], 0
    for turn in range(_TURNS):
        place = f"bench_{turn % _PREFECTURES}"
        key, _ = detection(engine, f"{place}/desk", place, list(Procedure)[turn % len(Procedure)].value)
        with session() as rows:
            row = rows.get_one(Detection, key)
            began = time.monotonic()
            matching.candidates(rows, row, row.seen_at)
            queries.append(time.monotonic() - began)
        began = time.monotonic()
        with session() as rows:
            told += len(match_service.match_or_part(rows, key, clock()).written)
        whole.append(time.monotonic() - began)
    say(f"{told / _TURNS:.0f} notifications for each of {_TURNS} detections")
    return [
        Figure(f"the query for candidates among {alerts} alerts, p50 ms", statistics.median(queries) * 1000),
        Figure(
            f"matching one detection among {alerts} alerts, p50 ms",
            statistics.median(whole) * 1000,
            below(50),
        ),
        Figure(f"matching one detection among {alerts} alerts, max ms", max(whole) * 1000),
    ]
