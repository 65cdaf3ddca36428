"""The job of one proof: its page into the store, then the picture that a browser makes of it."""

import gzip
import logging
import os
import threading
from typing import cast

from pydantic import ValidationError
from redis import Redis

from configs.ground import proof_queue
from configs.ground.object_store import Blobs, StoreAway, proof_blobs
from configs.ground.proof_queue import PAGES, TRIES
from configs.ground.proofs import BODY, META, PICTURE, Meta, is_key
from configs.ground.redis import redis
from configs.programs.browser_binary import browser_path, missing_browser
from crawler.proofs.outbox import JOB_SECONDS

log = logging.getLogger(__name__)

MOST_TRIES = 3  # of each picture; a page may be one that no browser survives
_HUNG_SECONDS = JOB_SECONDS + 30  # RQ's own limit has not ended it


def store_page(name: str) -> None:
    """Store a page that waits, then its picture. What fails now is tried again (crawler/proofs/__main__.py)."""
    client = redis()
    found = cast("bytes | None", client.hget(PAGES, name))
    if found is None:
        return  # another job did it
    limit = threading.Timer(_HUNG_SECONDS, _die)
    limit.daemon = True
    limit.start()
    try:
        if _keep_page(client, proof_blobs(), name, found):
            client.hdel(PAGES, name)
            client.hdel(TRIES, name)
    except StoreAway as error:
        log.warning("a proof waits for its store: %s", error)
        proof_queue.store_is_away(client, str(error))
    else:
        if proof_queue.store_is_back(client):
            log.warning("the store of proofs is back")
    finally:
        limit.cancel()


def _keep_page(client: Redis, blobs: Blobs, name: str, found: bytes) -> bool:
    """Store a page, and its picture; return whether nothing is left to do. Storing it again changes nothing."""
    page = _store_body(blobs, found)
    if page is None:
        log.error("%s is no proof and is given up", name)
        proof_queue.count_proof(client, "given_up")
        return True
    meta, body = page
    if missing_browser() or not body:
        proof_queue.count_proof(client, "pictureless")
        return True
    if client.hincrby(TRIES, name, 1) > MOST_TRIES:
        log.warning("%s has no picture: the browser failed %d times", meta.key, MOST_TRIES)
        proof_queue.count_proof(client, "pictureless")
        return True
    _store_others(client, blobs)
    from playwright.sync_api import Error  # noqa: PLC0415 -- Playwright is heavy, and most machines have no browser

    from crawler.proofs.screenshots import take_picture  # noqa: PLC0415

    try:
        blobs.put(f"{meta.key}/{PICTURE}", take_picture(meta, gzip.decompress(body)))
    except Error as error:
        said = error.message.splitlines()[0]
        log.info("no picture of %s by %s this time: %s", meta.key, browser_path(), said)
        return False
    return True


def _store_body(blobs: Blobs, found: bytes) -> tuple[Meta, bytes] | None:
    """Store a page as it waits; return what it is and its packed body, None where it is no proof."""
    head, _, body = found.partition(b"\n")
    try:
        meta = Meta.model_validate_json(head)
    except ValidationError:
        return None
    if not is_key(meta.key):
        return None
    if body:
        blobs.put(f"{meta.key}/{BODY}", body)
    blobs.put(f"{meta.key}/{META}", meta.model_dump_json(indent=1).encode())
    return meta, body


def _store_others(client: Redis, blobs: Blobs) -> None:
    """Store what else waits before a picture is taken, which may last for minutes: each had to wait for all others."""
    begun = cast("list[bytes]", client.hkeys(TRIES))
    for name in map(str, proof_queue.list_waiting(client)):
        found = None if name.encode() in begun else cast("bytes | None", client.hget(PAGES, name))
        if found and _store_body(blobs, found):
            client.hsetnx(TRIES, name, 0)


def _die() -> None:
    """End this process, and with it its browser: the next one takes the page up."""
    log.error("a job hangs: the worker ends itself")
    os._exit(1)
