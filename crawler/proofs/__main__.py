"""`python -m crawler.proofs`: supervisor that starts the upload worker when there are proofs, and limits it.

Most of the time there is no work: the worker (crawler/proofs/upload_worker.py) and its browser run only while there is.
A thread reports the spool's state to Redis meanwhile (crawler/proofs/status.py). A worker without a sign of life, or
with too much memory, is killed with all its processes.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from crawler.browser import process_tree
from crawler.browser.temp_dir import TempDir, tidy

SILENCE = 150.0  # seconds; the longest step (start of a browser, loading, screenshot) takes at most 90
LARGEST = 1500  # MB, of the worker and its browser
HOUSEKEEPING = 6 * 3600.0  # seconds between two deletions of old proofs
_GLANCE = 1.0
_GRACE = 3.0
_LONGEST_PAUSE = 60.0
_WRONG = 2  # a worker's exit code for a wrong setting: a second try cannot help


class ProofSupervisor:
    """Starts one worker after the other, until `stop`."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._folder = Path()
        self._seconds = _GLANCE

    def report(self) -> None:
        """Publish the spool's state until `stop`. A wrong setting is the worker's to name."""
        from configs.settings import SettingMissing, SettingsRefused  # noqa: PLC0415 -- the worker says what is wrong
        from crawler.proofs.status import publish_reports  # noqa: PLC0415

        with suppress(SettingMissing, SettingsRefused):
            publish_reports(self._stop)

    def stop(self, *_: object) -> None:
        """End the present worker soon, and start no other."""
        self._stop.set()

    def run(self) -> int:
        """Supervise until `stop`; return the exit code."""
        said, failures = "", 0
        while not self._stop.is_set():
            code, said = self._work(said)
            if code == _WRONG:
                return code
            failures = failures + 1 if code else 0
            if failures:
                self._stop.wait(min(_LONGEST_PAUSE, 2.0**failures))
            else:
                self._wait_for_work()
        return 0

    def _wait_for_work(self) -> None:
        until = time.monotonic() + HOUSEKEEPING
        while time.monotonic() < until and not self._has_work():
            if self._stop.wait(self._seconds):
                return

    def _has_work(self) -> bool:
        for name in ("waiting", "stored"):
            try:
                with os.scandir(self._folder / name) as entries:
                    if any(entries):
                        return True
            except FileNotFoundError:
                continue
        return False

    def _work(self, said: str) -> tuple[int, str]:
        """Run one worker to its end; return its exit code, and why it was killed, if it was."""
        own = TempDir()
        worker = subprocess.Popen(  # noqa: S603 -- our own program
            [sys.executable, "-m", "crawler.proofs.upload_worker", "--after", said],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | own.environment,
        )
        assert worker.stdout is not None  # noqa: S101 -- it is piped
        try:
            why = self._attend(worker, worker.stdout)
        finally:
            if worker.poll() is None:
                process_tree.kill(worker.pid)
            own.leave()
            code = worker.wait()
            worker.stdout.close()
        return (1 if why else code), why

    def _attend(self, worker: "subprocess.Popen[bytes]", heard_from: IO[bytes]) -> str:
        """Listen to a worker until it ends; return why it must be killed, empty if it ended well."""
        heard = time.monotonic()
        while not self._stop.is_set():
            if select.select([heard_from], [], [], _GLANCE)[0]:
                line = heard_from.readline()
                if not line:
                    return _end_reason(worker)
                self._learn(line)
                heard = time.monotonic()
            elif worker.poll() is not None:  # its child still holds the pipe
                return _end_reason(worker)
            elif time.monotonic() - heard > SILENCE:
                return f"it said nothing for {SILENCE:g} s"
            if (size := process_tree.resident(worker.pid)) > LARGEST:
                return f"it held {size} MB"
        return ""

    def _learn(self, line: bytes) -> None:
        """Read the spool's folder and the polling interval from a worker's first line."""
        if line.strip():
            told = json.loads(line)
            self._folder, self._seconds = Path(told["folder"]), told["seconds"]


def _end_reason(worker: "subprocess.Popen[bytes]") -> str:
    """Wait for the end of a worker; return what was wrong, empty if nothing."""
    try:
        code = worker.wait(_GRACE)
    except subprocess.TimeoutExpired:
        return "it did not come to its end"
    return f"it was killed by signal {-code}" if code < 0 else ""


def main() -> int:
    """Supervise until SIGTERM or SIGINT; return 0, or 2 for a wrong setting."""
    watch = ProofSupervisor()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, watch.stop)
    tidy()
    threading.Thread(
        target=watch.report, name="proof-status", daemon=True
    ).start()  # the spool's disk may hang
    return watch.run()


if __name__ == "__main__":
    sys.exit(main())
