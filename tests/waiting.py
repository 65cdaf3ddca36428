"""Waiting for what other processes and threads do."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.processes import tail

Value = TypeVar("Value")
Result = TypeVar("Result")
ONE_TRY = Retry(NoBackoff(), 0)  # a client of Redis tries a server that is away again by itself, for seconds
PATIENCE = 240.0  # seconds; on a machine with much else to do a process starts in sixty of them


def until(seen: Callable[[], Any], seconds: float = PATIENCE, pause: float = 0.02) -> Any:
    """Return the first true answer; a longer pause between two looks spares what counts requests."""
    end = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < end, f"waited in vain for {seen}"
        time.sleep(pause)
    return found


def ended(process: psutil.Process) -> bool:
    """Whether a process runs no more; whether its parent has taken note is another matter.

    An orphan stays in the table of processes until init looks, which some do every few seconds only.
    """
    with suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


def wait_for_port(pid: int, log: Path | None = None) -> int:
    """Return where a server listens that was given port 0: the kernel's choice, which no other can have."""
    process = psutil.Process(pid)

    def find() -> int | None:
        assert not ended(process), f"it ended before it listened:\n{tail(log) if log else ''}"
        with suppress(psutil.NoSuchProcess):
            found = (each for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN)
            return next((each.laddr.port for each in found), None)
        return None

    return int(until(find))


def outlive(processes: Iterable[psutil.Process], seconds: float = 60) -> list[psutil.Process]:
    """Return, and kill, those that have not ended by then."""
    left, end = list(processes), time.monotonic() + seconds
    while (left := [each for each in left if not ended(each)]) and time.monotonic() < end:
        time.sleep(0.02)
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    return left


def at_once(act: Callable[[Value], Result], values: Iterable[Value]) -> list[Result]:
    """Do a thing with each value, all at once, each on a thread of its own; return the results."""
    chosen = list(values)
    ready = threading.Barrier(len(chosen))

    def do(value: Value) -> Result:
        ready.wait()
        return act(value)

    with ThreadPoolExecutor(len(chosen)) as pool:
        return list(pool.map(do, chosen))
