"""Outbox of proofs: the thread that enqueues their pages; no check waits for it."""

import logging
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from redis import RedisError

from configs.ground import proof_queue
from configs.ground.proof_queue import JOB, PAGES, QUEUE, PageName
from configs.ground.proofs import Meta, fingerprint, pack
from configs.ground.redis import redis
from configs.programs.jobs import push
from crawler.proofs.redaction import mask_tokens, secret_in
from crawler.proofs.selection import Proof

log = logging.getLogger(__name__)
MOST = 64  # proofs that wait for Redis
LARGEST = 100_000  # bytes of a packed page
LARGEST_IN_ALL = 20_000_000  # bytes of all packed pages that wait
JOB_SECONDS = 150  # the longest step (start of a browser, loading, screenshot) takes at most 90
_NUDGE_KEPT_SECONDS = 60  # the worker enqueues again what still waits


class ProofOutbox:
    """Takes proofs with committed keys, without blocking; losses are logged."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "proofs")
        self._waiting: set[Future[None]] = set()

    def put(self, proofs: Iterable[Proof]) -> None:
        """Hand proofs to the thread; beyond MOST they are lost."""
        for proof in proofs:
            if len(self._waiting) >= MOST:
                log.warning("%s is lost, its link will say so: %d wait for Redis already", proof.key, MOST)
                continue
            task = self._thread.submit(_enqueue, proof)
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    def close(self, seconds: float) -> None:
        """Enqueue what waits for at most `seconds`; log the number of lost ones."""
        _, left = wait(list(self._waiting), seconds)
        self._thread.shutdown(wait=False, cancel_futures=True)
        if left:
            log.warning("%d proofs could not be enqueued before the end and are lost", len(left))


def _enqueue(proof: Proof) -> None:
    try:
        enqueue(proof)
    except RedisError as error:
        log.warning("%s is lost, its link will say so: %s", proof.key, type(error).__name__)
    except Exception:  # logged here: no code reads the error of this future
        log.exception("%s cannot be enqueued and is lost", proof.key)


def enqueue(proof: Proof) -> None:
    """Put a proof's page, redacted and packed, into Redis for the worker. One beyond the limits of size is given up.

    Raises:
        redis.RedisError: Redis is away.
    """
    meta = meta_of(proof)
    if meta.refused:
        log.error("the proof of %s is kept without its page: %s", meta.desk, meta.refused)
    body = b"" if meta.refused else pack(proof.capture.body)
    in_all = sum(each.size for each in proof_queue.list_waiting(redis())) + len(body)
    if len(body) > LARGEST or in_all > LARGEST_IN_ALL:
        log.warning("%s is given up: its page has %d bytes, all that wait %d", meta.key, len(body), in_all)
        proof_queue.count_proof(redis(), "given_up")
        return
    name = PageName(meta.key, len(body), proof.check.seen_at)
    redis().hset(PAGES, str(name), meta.model_dump_json().encode() + b"\n" + body)
    ask_keep(name)


def ask_keep(name: PageName, by: str = "spider") -> None:
    """Enqueue the job of a page that waits; a job by the same `by` that waits already is not doubled.

    Raises:
        redis.RedisError: Redis is away.
    """
    what = f"{name.key.replace('/', '-')}-{by}"
    push(QUEUE, JOB, (str(name),), what, seconds=JOB_SECONDS, kept=_NUDGE_KEPT_SECONDS)


def meta_of(proof: Proof) -> Meta:
    """Return the metadata of a proof."""
    capture, check = proof.capture, proof.check
    asked = capture.asked
    repeated = secret_in(capture.body)
    return Meta(
        key=proof.key,
        desk=check.desk_id,
        platform=capture.platform,
        outcome=check.outcome.value,
        evidence=mask_tokens(check.reason),
        seen_at=check.seen_at,
        url=mask_tokens(capture.url),
        status=capture.status,
        headers={name: mask_tokens(value) for name, value in capture.headers.items()},
        sha256=fingerprint(capture.body),
        size=len(capture.body),
        time_zone=proof.desk.time_zone,
        asked=asked | {name: mask_tokens(asked[name]) for name in ("url", "desk")},
        refused=f"it repeats {repeated}, a secret of ours: find out why and change it" if repeated else None,
    )
