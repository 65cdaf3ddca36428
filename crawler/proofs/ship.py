"""From the spool to the store, and out of both what is too old. Each function is callable by itself."""

import logging
from collections.abc import Callable

from configs.clock import clock
from configs.object_store import Blobs, proof_blobs
from configs.proofs import META, forget_before, is_key
from configs.settings import settings
from crawler.proofs.spool import Spool, SpoolEntry, spool
from crawler.proofs.status import Diary

log = logging.getLogger(__name__)


def ship(entry: SpoolEntry, source: Spool, blobs: Blobs) -> bool:
    """Bring one entry into the store; False: it is given up, there is no proof in it.

    Whoever is killed meanwhile has done no harm: the next one does it again.

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
    """Delete proofs older than PROOFS_KEPT_FOR and what is on its way since TEMPORARY_KEPT_FOR; say how much.

    `step` is called now and then meanwhile.

    Raises:
        configs.object_store.StoreAway: the store does not answer; the spool is clean all the same.
    """
    now = clock()
    left = spool().forget_before(now - settings().temporary_kept_for)
    if left.waiting:
        log.warning("%d proofs are given up: no store took them in time", left.waiting)
        Diary(spool().folder).gave_up(left.waiting)
    days = forget_before(proof_blobs(), (now - settings().proofs_kept_for).date(), step)
    return f"{days} days of proofs dropped, {left.waiting + left.stored + left.tmp} leftovers deleted"
