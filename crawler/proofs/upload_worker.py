"""`python -m crawler.proofs.upload_worker`: uploads spooled proofs, then their screenshots, and ends when idle.

The supervisor (`python -m crawler.proofs`) starts it, and gets a line on its output at each step.
"""

import argparse
import gzip
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from configs.browser_binary import missing_browser
from configs.clock import clock
from configs.constants import Constant
from configs.logs import set_up_logs
from configs.object_store import Blobs, StoreAway, proof_blobs
from configs.outage_log import OutageLog
from configs.proofs import BODY, META, PICTURE, Meta, forget_before, is_key
from configs.retention import PROOFS_KEPT_FOR
from configs.settings import SettingsRefused
from crawler.proofs.spool import PROOFS_SECONDS, Spool, SpoolEntry, spool
from crawler.proofs.status import CounterStore

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# How long the browser that takes pictures stays without work
_PROOFS_IDLE_SECONDS = Constant("PROOFS_IDLE_SECONDS", 60.0)

# How long what is only on its way is kept: proofs that no store took, files that a dead program left
_TEMPORARY_KEPT_FOR = timedelta(days=7)

log = logging.getLogger("crawler.proofs")  # run as a program, the module is called __main__

TRIES = 3  # of each picture; a page may be one that no browser survives
_LONGEST_PAUSE = 60.0  # seconds
_CLEANED = "cleaned"
_CLEAN_EACH = 3600.0  # seconds
_RENEWED_AFTER = 50  # pictures by one browser


def ship(entry: SpoolEntry, source: Spool, blobs: Blobs) -> bool:
    """Bring one entry into the store; return False if it holds no proof and was given up.

    It can be repeated: a worker that is killed meanwhile leaves the entry to the next one.

    Raises:
        configs.object_store.StoreAway: the store does not take it; it stays in the spool.
    """
    try:
        files = entry.files if is_key(entry.key) else {}
    except OSError as error:
        log.warning("%s cannot be read: %s", entry.folder, error)
        files = {}
    if not files:
        log.warning("%s is no proof and is given up", entry.folder)
    for name, data in files.items():
        blobs.put(f"{entry.key}/{name}", data)
    if META in files:
        source.mark_stored(entry)
    else:
        source.mark_pictured(entry)
    return bool(files)


def clean(step: Callable[[], object] = lambda: None) -> str:
    """Delete proofs older than PROOFS_KEPT_FOR and spool entries older than TEMPORARY_KEPT_FOR; return a log line.

    `step` is called now and then during the deletion.

    Raises:
        configs.object_store.StoreAway: the store does not answer; the spool is clean all the same.
    """
    now = clock()
    left = spool().forget_before(now - _TEMPORARY_KEPT_FOR)
    if left.waiting:
        log.warning("%d proofs are given up: no store took them in time", left.waiting)
        CounterStore().gave_up(left.waiting)
    days = forget_before(proof_blobs(), (now - PROOFS_KEPT_FOR).date(), step)
    return f"{days} days of proofs dropped, {left.waiting + left.stored + left.tmp} leftovers deleted"


class Camera:
    """The browser for screenshots: started with the first one, replaced after a failure or _RENEWED_AFTER of them."""

    def __init__(self) -> None:
        self._browser: Browser | None = None
        self._held = ExitStack()
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._put_away()

    def take(self, entry: SpoolEntry) -> bool:
        """Add a screenshot to an entry; return False if the browser failed."""
        from crawler.proofs import screenshots  # noqa: PLC0415 -- Playwright is heavy, and most machines have no browser

        try:
            meta = Meta.model_validate_json((entry.folder / META).read_bytes())
            body = gzip.decompress((entry.folder / BODY).read_bytes())
            if not self._browser or not self._browser.is_connected() or self._taken >= _RENEWED_AFTER:
                self._put_away()
                self._browser = self._held.enter_context(screenshots.browsing())
            self._taken += 1
            entry.write(PICTURE, screenshots.picture(self._browser, meta, body))
        except (screenshots.NoPicture, OSError, EOFError, ValueError) as error:
            log.info("no picture of %s this time: %s", entry.key, error)
            self._put_away()
            return False
        return True

    def _put_away(self) -> None:
        self._browser, self._taken = None, 0
        self._held.close()


class UploadWorker:
    """Moves entries from a spool to the store."""

    def __init__(self, source: Spool, blobs: Blobs) -> None:
        self._source, self._blobs = source, blobs
        self._camera = Camera()
        self._counters = CounterStore()
        self._outage = OutageLog()
        self._pause = 0.0

    def run(self, idle_seconds: float) -> None:
        """Work until there was nothing to do for `idle_seconds`."""
        if reason := missing_browser():
            log.info("no pictures are taken: %s", reason)
        worked, before = time.monotonic(), set[Path]()
        with self._camera:
            while time.monotonic() - worked < idle_seconds:
                if (met := self.work_once()) and (met != before or self._outage.is_open):
                    worked = time.monotonic()
                else:  # no entry, or no progress
                    rest(PROOFS_SECONDS())
                before = met

    def work_once(self) -> set[Path]:
        """Process the present entries; return their folders."""
        waiting, unpictured = self._source.waiting(), self._source.unpictured()
        try:
            for entry in waiting:
                alive()
                if not ship(entry, self._source, self._blobs):
                    self._counters.gave_up()
            for entry in unpictured[
                :1
            ]:  # a picture takes long: what came meanwhile is stored before the next one
                alive()
                self._picture(entry)
        except StoreAway as error:
            if self._outage.begin(str(error)):
                log.warning("%d proofs wait for their store: %s", len(waiting) + len(unpictured), error)
            self._counters.store_away(str(error))
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause or PROOFS_SECONDS())
            rest(self._pause)
        else:
            if self._outage.end():
                log.warning("the store of proofs is back")
            self._counters.store_back()
            self._pause = 0.0
        return {entry.folder for entry in (*waiting, *unpictured)}

    def _picture(self, entry: SpoolEntry) -> None:
        """Take the screenshot of a stored page; give up without a browser, or after TRIES."""
        if missing_browser() or not entry.has(BODY):
            self._give_up_picture(entry)
        elif not entry.has(PICTURE) and (tried := entry.count_try()) >= TRIES:
            log.warning("%s has no picture: the browser failed %d times", entry.key, tried)
            self._give_up_picture(entry)
        elif entry.has(PICTURE) or self._camera.take(entry):
            self._blobs.put(f"{entry.key}/{PICTURE}", entry.files[PICTURE])
            self._source.mark_pictured(entry)

    def _give_up_picture(self, entry: SpoolEntry) -> None:
        self._source.drop(entry)
        self._counters.pictureless()


def introduce(folder: Path) -> None:
    """Send the spool's folder and the polling interval to the supervisor."""
    sys.stdout.write(json.dumps({"folder": str(folder), "seconds": PROOFS_SECONDS()}) + "\n")
    sys.stdout.flush()


def alive() -> None:
    """Send a sign of life to the supervisor; exit if the supervisor is gone."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(1)


def rest(seconds: float) -> None:
    """Wait, with a sign of life each second."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        alive()
        time.sleep(min(1.0, left))


def yield_to_others() -> None:
    """Lower the priority of this process, and make it the kernel's first choice when memory is short."""
    os.nice(10)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")


def clean_now_and_then(folder: Path) -> None:
    """Delete old proofs, if the last time was an hour ago."""
    mark = folder / _CLEANED
    with suppress(FileNotFoundError):
        if time.time() - mark.stat().st_mtime < _CLEAN_EACH:
            return
    try:
        log.info(clean(alive))
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except (StoreAway, OSError) as error:
        log.warning("old proofs are not deleted: %s", error)


def main(given: list[str] | None = None) -> int:
    """Work until there is nothing to do; return 0, or 2 for a wrong setting."""
    parser = argparse.ArgumentParser(prog="python -m crawler.proofs.upload_worker", description=__doc__)
    parser.add_argument("--after", default="", help="why the worker before was ended")
    after = parser.parse_args(given).after
    try:
        set_up_logs("proofs")
        source, blobs = spool(), proof_blobs()
    except (SettingsRefused, StoreAway) as error:
        sys.stderr.write(f"proofs are not stored: {error}\n")
        return 2
    yield_to_others()
    introduce(source.folder)
    if after:
        log.warning("the worker before was ended: %s", after)
    clean_now_and_then(source.folder)
    UploadWorker(source, blobs).run(_PROOFS_IDLE_SECONDS())
    return 0


if __name__ == "__main__":
    sys.exit(main())
