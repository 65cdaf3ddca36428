"""`python -m crawler.proofs.upload_worker`: uploads what spiders left, then takes pictures of it, and ends when idle.

It is started by the watch (`python -m crawler.proofs`), to which it says at each step that it lives.
"""

import argparse
import json
import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from configs.browser_binary import missing_browser
from configs.logs import set_up_logs
from configs.object_store import Blobs, StoreAway, proof_blobs
from configs.proofs import BODY, PICTURE
from configs.settings import SettingsRefused, settings
from crawler.proofs.camera import Camera
from crawler.proofs.ship import clean, ship
from crawler.proofs.spool import Spool, SpoolEntry, spool
from crawler.proofs.status import Diary

log = logging.getLogger("crawler.proofs")  # as __main__ it would be called that

TRIES = 3  # of each picture; a page may be one that no browser survives
_LONGEST_PAUSE = 60.0  # seconds
_CLEANED = "cleaned"
_CLEAN_EACH = 3600.0  # seconds


class UploadWorker:
    """Brings entries of a spool where they belong."""

    def __init__(self, source: Spool, blobs: Blobs) -> None:
        self._source, self._blobs = source, blobs
        self._camera = Camera()
        self._diary = Diary(source.folder)
        self._away = 0.0

    def run(self, idle_seconds: float) -> None:
        """Work until there has been nothing to do for so long."""
        if reason := missing_browser():
            log.info("no pictures are taken: %s", reason)
        worked, before = time.monotonic(), set[Path]()
        with self._camera:
            while time.monotonic() - worked < idle_seconds:
                if (met := self.work_once()) and (met != before or self._away):
                    worked = time.monotonic()
                else:  # nothing is there, or nothing moves
                    rest(settings().proofs_seconds)
                before = met

    def work_once(self) -> set[Path]:
        """Do what there is to do; return what there was."""
        waiting, unpictured = self._source.waiting(), self._source.unpictured()
        try:
            for entry in waiting:
                alive()
                if not ship(entry, self._source, self._blobs):
                    self._diary.gave_up()
            for entry in unpictured[
                :1
            ]:  # a picture takes long: what came meanwhile is stored before the next one
                alive()
                self._picture(entry)
        except StoreAway as error:
            if not self._away:
                log.warning("%d proofs wait for their store: %s", len(waiting) + len(unpictured), error)
            self._diary.store_away(str(error))
            self._away = min(_LONGEST_PAUSE, 2 * self._away or settings().proofs_seconds)
            rest(self._away)
        else:
            if self._away:
                log.warning("the store of proofs is back")
            self._diary.store_back()
            self._away = 0.0
        return {entry.folder for entry in (*waiting, *unpictured)}

    def _picture(self, entry: SpoolEntry) -> None:
        """Take the picture of a stored page; give it up where there is no browser, or after TRIES."""
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
        self._diary.pictureless()


def introduce(folder: Path) -> None:
    """Tell the watch where to look for work, and how often."""
    sys.stdout.write(json.dumps({"folder": str(folder), "seconds": settings().proofs_seconds}) + "\n")
    sys.stdout.flush()


def alive() -> None:
    """Tell the watch that we live; where it does not, neither do we."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(1)


def rest(seconds: float) -> None:
    """Wait, alive."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        alive()
        time.sleep(min(1.0, left))


def yield_to_others() -> None:
    """Let everything else go first, and be the first that the kernel ends where memory is short."""
    os.nice(10)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")


def clean_now_and_then(folder: Path) -> None:
    """Do the housekeeping where the last one was an hour ago."""
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
    """Work until there is nothing to do; return 0, or 2 where a setting is wrong."""
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
    UploadWorker(source, blobs).run(settings().proofs_idle_seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
