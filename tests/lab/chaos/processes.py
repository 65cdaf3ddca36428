"""The processes of one stack: ended without asking, its servers revived; its store of proofs, which goes and comes.

Nothing that it did not start is touched.
"""

import fnmatch
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from fsspec.implementations.local import LocalFileSystem

from configs.ground.object_store import Blobs
from configs.ground.proofs import NoProof, body_of, meta_of
from deploy.local.stack import Stack
from tests.lab.chaos.journal import OpeningJournal

_EVERY = 0.2  # seconds between two looks at the servers
_PATIENCE = 30.0  # seconds until a process that was killed before is there again
# Words of each kind's command line. A parent and its children differ by their own parents.
_KINDS: dict[str, tuple[str, ...]] = {
    "spider": ("scrapyd.runner", "crawl"),
    "notifier": ("notifier.workers",),
    "worker": ("notifier.workers", "worker-*"),
    "sweep": ("notifier.workers", "sweep"),
    "background": ("api.jobs",),
    "job-worker": ("api.jobs", "maintenance"),
    "payments-worker": ("api.jobs", "payments"),
    "scrapyd": ("scrapyd", "--pidfile="),
    "planner": ("crawler.loops",),
    "proofs": ("crawler.proofs*",),
    "gunicorn": ("api.app:create_app()",),
}


class NobodyThere(RuntimeError):
    """No process of that kind runs, and none came back in time."""


class ChaosProcesses:
    """The programs under one supervisor."""

    def __init__(self, supervisor: int, journal: OpeningJournal) -> None:
        self._supervisor = psutil.Process(supervisor)
        self._journal = journal
        self._killed: set[psutil.Process] = set()  # some are still seen for a moment

    def all(self, kind: str) -> list[psutil.Process]:
        """Return the processes of a kind (`gunicorn worker`, `notifier master` … are kinds of their own)."""
        name, _, part = kind.partition(" ")
        masters = set(self._supervisor.children())
        living = (each for each in self._supervisor.children(recursive=True) if each not in self._killed)
        found = [each for each in living if _is(each, _KINDS[name])]
        if part:
            return [each for each in found if (each in masters) == (part == "master")]
        return found

    def kill(self, kind: str, rng: random.Random, signum: signal.Signals = signal.SIGKILL) -> int:
        """End one process of a kind, waiting for one if there is none; return its id.

        Raises:
            NobodyThere: none came.
        """
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            there = self.all(kind)
            if there and self._end(kind, victim := rng.choice(there), signum):
                return victim.pid
            time.sleep(0.1)
        raise NobodyThere(f"no {kind} came back within {_PATIENCE:g} s")

    def _end(self, kind: str, victim: psutil.Process, signum: signal.Signals) -> bool:
        try:
            victim.send_signal(signum)
        except psutil.NoSuchProcess:
            return False
        if signum is signal.SIGKILL:
            self._killed.add(victim)
        self._journal.killed(kind if signum is signal.SIGKILL else f"{kind} ({signum.name})", victim.pid)
        return True


def _is(process: psutil.Process, marks: tuple[str, ...]) -> bool:
    try:
        known_by = (process.name(), *process.cmdline())
    except psutil.Error:
        return False
    return all(fnmatch.filter(known_by, mark) for mark in marks)


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """Let processes stand still for as long as the block lasts."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def looking_after(stack: Stack) -> Iterator[None]:
    """Revive a stack's servers for as long as the block lasts, and none while the stack is ended."""
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(_EVERY):
            stack.look_after()

    thread = threading.Thread(target=run, name="restarter", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


class ProofStore:
    """The folder in which a stack keeps its proofs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.environment = {"PROOFS_URL": str(folder)}

    @contextmanager
    def away(self) -> Iterator[None]:
        """Have a file where the folder was for as long as the block lasts."""
        aside = self._folder.with_name("proofs-aside")
        self._folder.rename(aside)
        self._folder.touch()
        try:
            yield
        finally:
            self._folder.unlink()
            aside.rename(self._folder)

    def holds(self, key: str) -> bool:
        """Whether a proof is here: its page as it was fetched, or why that may not be kept."""
        blobs = Blobs(LocalFileSystem(), str(self._folder))
        try:
            meta = meta_of(blobs, key)
            return bool(meta.refused) or body_of(blobs, meta) is not None
        except NoProof:
            return False
