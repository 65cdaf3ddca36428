"""`python -m crawler.proofs`: one RQ worker that stores proofs, and a thread that enqueues again what was left."""

import logging
import os
import sys
import threading
from datetime import timedelta
from time import monotonic
from urllib.parse import urlsplit

from redis import RedisError

from configs.ground import proof_queue
from configs.ground.clock import clock
from configs.ground.object_store import StoreAway, proof_blobs
from configs.ground.proof_queue import JOB, PAGES, QUEUE, TRIES
from configs.ground.proofs import forget_before
from configs.ground.redis import redis
from configs.programs.jobs import run_worker
from configs.settings import Constant, SettingsRefused, settings
from configs.settings.value_types import read_store
from configs.world.retention import PROOFS_KEPT_FOR
from crawler.proofs.outbox import ask_keep

# How often a page that still waits is enqueued again, and the worker reports
proofs_seconds = Constant("PROOFS_SECONDS", 15.0)

_WAITS_FOR = timedelta(days=7)  # for a store that takes nothing
_CLEAN_EACH = 3600.0  # seconds

log = logging.getLogger("crawler.proofs")  # run as a program, the module is called __main__


def look_after_proofs(stop: threading.Event) -> None:
    """Each PROOFS_SECONDS until `stop` report the worker and enqueue again what waits; hourly delete old proofs.

    Redis and the store may be away meanwhile.
    """
    cleaned_at = -_CLEAN_EACH
    while not stop.is_set():
        try:
            proof_queue.report_worker(redis(), store_name())
            ask_keep_waiting(str(os.getpid()))
            if monotonic() - cleaned_at >= _CLEAN_EACH:
                cleaned_at = monotonic()
                delete_old()
        except (RedisError, StoreAway) as error:
            log.warning("proofs are looked after again later: %s", error)
        except Exception:  # the thread must go on
            log.exception("proofs cannot be looked after")
        stop.wait(proofs_seconds())


def delete_old() -> None:
    """Delete the proofs of days before PROOFS_KEPT_FOR.

    Raises:
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    days = forget_before(proof_blobs(), (clock() - PROOFS_KEPT_FOR).date())
    log.info("%d days of proofs deleted", days)


def ask_keep_waiting(by: str) -> None:
    """Enqueue again what waits; give up what no store took in time. While the store is away, only the oldest is tried.

    `by` names the process: what the one before had in hand as it died waits for nothing.

    Raises:
        redis.RedisError: Redis is away.
    """
    client = redis()
    status = proof_queue.read_status(client)
    waiting = proof_queue.list_waiting(client)
    for name in waiting[:1] if status and status.away_since else waiting:
        if clock() - name.seen_at < _WAITS_FOR:
            ask_keep(name, by)
        else:
            log.warning("%s is given up: no store took it in time", name.key)
            client.hdel(PAGES, str(name))
            client.hdel(TRIES, str(name))
            proof_queue.count_proof(client, "given_up")


def store_name() -> str:
    """Return the store's address without anything that could be a secret."""
    given = read_store(settings().proofs_url or str(settings().state_dir.resolve() / "proofs" / "kept"))
    url = urlsplit(given.url)
    place = f"{url.scheme}://{url.hostname or ''}{url.path}" if url.netloc else given.url
    return f"{place} at {urlsplit(given.endpoint).hostname}" if given.endpoint else place


def main() -> int:
    """Work until stopped or old; return 0, or 2 for a wrong setting."""
    try:
        proof_blobs()
    except (SettingsRefused, StoreAway) as error:
        sys.stderr.write(f"proofs are not stored: {error}\n")
        return 2
    os.nice(10)  # people wait for what else runs here; its container bounds its share, too
    stop = threading.Event()
    keeper = threading.Thread(target=look_after_proofs, args=(stop,), name="keeper", daemon=True)
    try:
        return run_worker({QUEUE: (JOB,)}, "proofs", keeper.start)
    finally:
        stop.set()


if __name__ == "__main__":
    sys.exit(main())
