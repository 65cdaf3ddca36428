"""Thread that enqueues proofs, so that no check, commit or alert waits for Redis, let alone for the store."""

import logging
import threading
from collections import deque
from collections.abc import Iterable

from redis import RedisError

from configs.ground import proof_queue
from configs.ground.job_queues import push, redis
from configs.ground.outage_log import OutageLog
from configs.ground.proof_queue import JOB, PAGES, QUEUE, PageName
from configs.ground.proofs import Meta, fingerprint, pack
from crawler.proofs.redaction import mask_tokens, secret_in
from crawler.proofs.selection import Proof

log = logging.getLogger(__name__)

MOST = 64  # proofs that wait for Redis
LARGEST = 100_000  # bytes of a packed page
LARGEST_IN_ALL = 20_000_000  # bytes of all packed pages that wait
JOB_SECONDS = 150  # the longest step (start of a browser, loading, screenshot) takes at most 90
_NUDGE_KEPT_SECONDS = 60  # the worker enqueues again what still waits
_RETRY_SECONDS = 1.0


class ProofOutbox:
    """Takes proofs with committed keys from any thread, without blocking; losses are logged."""

    def __init__(self) -> None:
        self._waiting: deque[Proof] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._busy = False
        self._lost = 0
        self._outage = OutageLog()
        self._thread = threading.Thread(target=self._run, name="proofs", daemon=True)

    def put(self, proofs: Iterable[Proof]) -> None:
        """Take proofs over."""
        with self._changed:
            for proof in proofs:
                if len(self._waiting) < MOST:
                    self._waiting.append(proof)
                else:
                    self._lose(f"{MOST} wait for Redis already")
            if self._waiting and self._thread.ident is None:
                self._thread.start()
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Enqueue what waits for at most `seconds`; log the number of lost ones."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds)
        if left := len(self._waiting) + self._busy:
            log.warning("%d proofs could not be enqueued before the end and are lost", left)

    def _run(self) -> None:
        while proof := self._next():
            try:
                if not self._enqueue(proof):
                    return
            except Exception:  # an error in one proof must not end the thread
                log.exception("a proof cannot be enqueued")
            self._busy = False

    def _enqueue(self, proof: Proof) -> bool:
        """Enqueue a proof, through any absence of Redis; return False at the end."""
        while True:
            try:
                enqueue(proof)
            except RedisError as error:
                if self._outage.begin(type(error).__name__):
                    log.warning("proofs wait for Redis: %s", type(error).__name__)
                with self._changed:
                    if self._changed.wait_for(lambda: self._ending, _RETRY_SECONDS):
                        return False
            else:
                if self._outage.end():
                    log.warning("proofs are enqueued again; %d were lost", self._lost)
                    self._lost = 0
                return True

    def _next(self) -> Proof | None:
        """Wait for the next proof; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending)
            self._busy = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None

    def _lose(self, why: str) -> None:
        """Log the first lost proof; count the others."""
        if not self._lost:
            log.warning("proofs are lost, their links will say so; all else goes on: %s", why)
        self._lost += 1


def enqueue(proof: Proof) -> None:
    """Let a proof's page wait for the worker, redacted and packed. One too large, or one too many, is given up.

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
        proof_queue.count(redis(), "given_up")
        return
    name = PageName(meta.key, len(body), proof.seen_at)
    redis().hset(PAGES, str(name), meta.model_dump_json().encode() + b"\n" + body)
    nudge(name)


def nudge(name: PageName, by: str = "spider") -> None:
    """Enqueue the job of a page that waits; one of the same `by` that waits already is enough.

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
        seen_at=proof.seen_at,
        url=mask_tokens(capture.url),
        status=capture.status,
        headers={name: mask_tokens(value) for name, value in capture.headers.items()},
        sha256=fingerprint(capture.body),
        size=len(capture.body),
        time_zone=proof.desk.time_zone,
        asked=asked | {name: mask_tokens(asked[name]) for name in ("url", "desk")},
        refused=f"it repeats {repeated}, a secret of ours: find out why and change it" if repeated else None,
    )
