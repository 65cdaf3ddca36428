"""Re-arming of a desk after a crowd was notified of its slots: a round, its memory, a new slot's match meanwhile."""

import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.slot import DetectionSlot, SlotRow
from configs.clock import clock
from deploy.bench.figures import Effort, Figure, Say, below, forget
from deploy.bench.people import Crowd, detection
from notifier import match_batches, match_service

_DESK, _PREFECTURE, _PROCEDURE = "evry-courcouronnes_91/bench-rearm", "evry-courcouronnes_91", "AUTRE"
_ROUNDS = 20
_NEW_SLOTS = 5
_PEAK = Path("/proc/self/clear_refs")


def measure(engine: sa.Engine, effort: Effort, say: Say) -> list[Figure]:
    """Tell a crowd of all slots, then look who was not told in a process of its own while slots open."""
    people, slots = effort.of(3_000, 30), effort.of(5_000, 50)
    Crowd("rearm", people, f"NULL, NULL, '{_DESK}'").write(engine)
    _notify_crowd(_open(engine, slots))
    say(f"{people} people told of {slots} slots")
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_rearm, args=(there, effort.of(_ROUNDS, 3)))
    process.start()
    rounds, megabytes = here.recv()
    matches = []
    for _ in range(effort.of(_NEW_SLOTS, 1)):
        key, _ = detection(engine, _DESK, _PREFECTURE, _PROCEDURE)
        began = time.monotonic()
        with Session(engine) as session, session.begin():
            match_service.match_or_part(session, key, clock())
        matches.append(time.monotonic() - began)
        _notify_crowd(key)
    here.send(None)
    process.join()
    what = f"{people} alerts and {slots} open slots"
    return [
        Figure(f"re-arming {what}, a round, p50 ms", statistics.median(rounds) * 1000, below(300)),
        Figure(f"re-arming {what}, a round, MB", megabytes, below(50)),
        Figure("a new slot's match meanwhile, max ms", max(matches) * 1000, below(100)),
    ]


def _open(engine: sa.Engine, many: int) -> UUID:
    """Open slots at one place, an hour apart; return their detection."""
    key, now = detection(engine, _DESK, _PREFECTURE, _PROCEDURE)
    hours = sa.text(
        "INSERT INTO slots (desk_id, place_key, moment, starts_at, url, opened_at, seen_at)"
        " SELECT :desk, 'bench', (timestamptz '2027-03-01Z' + n * interval '1 hour')::text,"
        " timestamptz '2027-03-01Z' + n * interval '1 hour', 'https://x.example/', :now, :now"
        " FROM generate_series(2, :many) n"
    )
    with Session(engine) as session, session.begin():
        session.execute(hours, {"desk": _DESK, "now": now, "many": many})
        mine = sa.select(sa.literal(key, sa.Uuid()), SlotRow.id).where(
            SlotRow.desk_id == _DESK, SlotRow.place_key == "bench"
        )
        session.execute(sa.insert(DetectionSlot).from_select(["detection_id", "slot_id"], mine))
    return key


def _notify_crowd(key: UUID) -> None:
    from api.models.base import session  # noqa: PLC0415 -- reads the environment

    with session() as rows:
        numbers = match_service.match_or_part(rows, key, clock()).parts
    for number in numbers:
        with session() as rows:
            match_service.match_part(rows, key, number, clock())
    with session() as rows:
        match_batches.finish_detection(rows, key, clock())


def _rearm(results: Connection, rounds: int) -> None:
    """Do rounds in a process of its own, as a worker does; send their seconds and memory, then go on until told."""
    forget()
    from api.models.base import session  # noqa: PLC0415

    def turn(desk_id: str) -> float:
        began = time.monotonic()
        with session() as rows:
            match_service.find_untold(rows, desk_id, clock())
        return time.monotonic() - began

    turn("nowhere")
    _PEAK.write_text("5")  # from here on: https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
    before = _peak_megabytes()
    seconds = [turn(_DESK) for _ in range(rounds)]
    results.send((seconds, _peak_megabytes() - before))
    while not results.poll():
        turn(_DESK)


def _peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
