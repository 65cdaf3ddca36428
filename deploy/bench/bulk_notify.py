"""One detection, many alerts by e-mail: until the stand-in took all, and single alerts of others meanwhile."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import sqlalchemy as sa

import notifier
from api.models.encrypted_text import read_stored_address
from configs.encryption import encrypt
from deploy.bench.figures import Effort, Figure, Say, at_most, below, forget, percentile
from deploy.bench.people import Crowd, detection
from deploy.local.environment import sandbox_environment
from deploy.local.ports import StackPorts, choose
from deploy.local.postgres import start_postgres
from deploy.local.processes import free_port, start, stop, wait_until, with_parent
from deploy.local.programs import commands
from deploy.local.valkey import start_valkey
from notifier.workers.__main__ import CHILDREN

_AWAITED = "evry-courcouronnes_91/bench-crowd"
_PREFECTURE, _PROCEDURE = "evry-courcouronnes_91", "NATURALISATION"
_APART = 0.05  # seconds between two single alerts
_PATIENCE = 120.0
_LEDGER = """
SELECT extract(epoch FROM n.accepted_at - n.seen_at) FROM notifications n
WHERE n.accepted_at IS NOT NULL AND n.params->>'detection_id' = ANY(:detections)"""


def run(effort: Effort, say: Say) -> list[Figure]:
    """Tell a crowd three times; the figures are those of the median time."""
    people, singles = effort.of(10_000, 60), effort.of(200, 5)
    with _tellers() as address:
        engine = sa.create_engine(address)
        Crowd("crowd", people, f"NULL, NULL, '{_AWAITED}'").write(engine)
        Crowd("single", singles, "NULL, NULL, 'single_91/desk-'||n").write(engine)
        rounds = [
            _measure_delays(engine, people, turn, singles // effort.of(4, 1), say)
            for turn in range(effort.of(3, 1))
        ]
    seconds, alone = sorted(rounds)[len(rounds) // 2]
    return [
        Figure(f"{people} alerts of one detection, page read → all accepted, s", seconds, at_most(1)),
        Figure("a single alert meanwhile, page read → accepted, p50 ms", percentile(alone, 50) * 1000),
        Figure(
            "a single alert meanwhile, page read → accepted, p95 ms", percentile(alone, 95) * 1000, below(100)
        ),
        Figure(f"decrypting {people} phone numbers or chat ids, s", _measure_decryption(people), below(0.3)),
    ]


def _measure_decryption(people: int) -> float:
    """Return the seconds that so many addresses take which are not e-mail addresses: what they cost more."""
    stored = encrypt("+33639980017")
    begin = time.perf_counter()
    for _ in range(people):
        read_stored_address(stored)
    return time.perf_counter() - begin


@contextmanager
def _tellers() -> Iterator[str]:
    """Run what tells, and the stand-ins: no crawl, no API; yields the database's address."""
    with TemporaryDirectory(prefix="rdv-bench-") as folder, ExitStack() as ends:
        state, ports = Path(folder), choose(StackPorts(*(free_port() for _ in range(5))))
        postgres = start_postgres(state / "postgres")
        ends.callback(postgres.stop)
        valkey = start_valkey(state / "redis")
        ends.callback(valkey.stop)
        postgres.create("bench")
        os.environ |= sandbox_environment(state, ports, postgres.url("bench"), valkey.url())
        os.environ["PROGRAM"] = "notifier"
        del os.environ["PREFECTURES_DIR"]  # nothing is watched here: the shipped files do
        forget()
        subprocess.run([sys.executable, "-m", "api.migrations", "upgrade"], check=True, capture_output=True)
        for name, command in commands(ports, world=False).items():
            if name in {"sandbox", "notifier"}:
                log = state / f"{name}.log"
                process = start(with_parent(command), log, env=os.environ)
                ends.callback(stop, process)
                wait_until(partial(_works, log), log, what=name, process=process, seconds=_PATIENCE)
        yield postgres.url("bench")


def _works(log: Path) -> bool:
    said = log.read_text("utf-8")
    return said.count(" working ") + said.count(" sweeping ") == len(CHILDREN) or "http" in said


def _measure_delays(
    engine: sa.Engine, people: int, turn: int, singles: int, say: Say
) -> tuple[float, list[float]]:
    """Let one slot open for all, then one each for others as long as that takes; return both delays in seconds."""
    crowd, _ = detection(engine, _AWAITED, _PREFECTURE, _PROCEDURE)
    notifier.detection_seen(crowd)
    alone = []
    for number in range(singles):
        desk = f"single_91/desk-{1 + turn * singles + number}"
        alone.append(detection(engine, desk, "single_91", _PROCEDURE)[0])
        notifier.detection_seen(alone[-1])
        time.sleep(_APART)
        if len(_accepted(engine, [crowd])) == people:
            break
    newest = max(_all_accepted(engine, [crowd], people))
    say(f"{people} people told in {newest:.2f} s, {len(alone)} single ones meanwhile")
    return newest, _all_accepted(engine, alone, len(alone))


def _all_accepted(engine: sa.Engine, detections: Sequence[UUID], many: int) -> list[float]:
    wait_until(
        lambda: len(_accepted(engine, detections)) == many,
        Path(os.devnull), what=f"{many} messages", seconds=_PATIENCE,
    )  # fmt: skip
    return _accepted(engine, detections)


def _accepted(engine: sa.Engine, detections: Sequence[UUID]) -> list[float]:
    with engine.connect() as connection:
        of_them = {"detections": [str(each) for each in detections]}
        return [float(each) for each in connection.scalars(sa.text(_LEDGER), of_them)]
