"""One of our programs as a process, and its log."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil

from deploy.local.processes import wait_until

ENOUGH = 60.0  # seconds; a busy machine loads a family slowly


class Program:
    """A command that runs, its output in `log`."""

    def __init__(self, log: Path, *command: str) -> None:
        self.log = log
        with log.open("wb") as sink:
            self.process = subprocess.Popen(command, stdout=sink, stderr=sink)

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    @property
    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def until(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        wait_until(ready, self.log, what="program", process=self.process, seconds=seconds)

    def ends(self, signum: signal.Signals | None = None, within: float = ENOUGH) -> int:
        """Return the exit code, after a signal if one is given."""
        if signum:
            self.process.send_signal(signum)
        return self.process.wait(within)

    def kill(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
