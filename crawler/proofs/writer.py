"""Thread that writes proofs into the spool, so that no check, commit or alert waits for the disk."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from configs.proofs import Meta, fingerprint
from crawler.proofs.redaction import mask_tokens, secret_in
from crawler.proofs.selection import Proof
from crawler.proofs.spool import Spool, spool

if TYPE_CHECKING:
    from concurrent.futures import Future

log = logging.getLogger(__name__)

MOST = 64  # waiting proofs; more of them mean that the disk hangs

_Work = Callable[[Spool], None]


class ProofWriter:
    """Takes proofs with committed keys from any thread, without blocking; losses are logged."""

    def __init__(self) -> None:
        self._waiting: deque[_Work] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._busy = False
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="proofs", daemon=True)

    def put(self, proofs: Iterable[Proof]) -> None:
        """Queue proofs."""
        self._do(partial(self._keep, proof=proof) for proof in proofs)

    def close(self, seconds: float) -> None:
        """Write the waiting proofs for at most `seconds`; log the number of lost ones."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds)
        if left := len(self._waiting) + self._busy:
            log.warning("%d proofs could not be written before the end and are lost", left)

    def _keep(self, to: Spool, proof: Proof) -> None:
        """Write a proof, and later its screenshot, whose callback runs on the crawl's own thread."""
        keep(to, proof)
        if coming := proof.picture:
            coming.add_done_callback(lambda taken: self._add_picture(proof.key, taken))

    def _add_picture(self, key: str, taken: "Future[bytes | None]") -> None:
        if not taken.cancelled() and not taken.exception() and (picture := taken.result()):
            self._do([lambda to: to.add_picture(key, picture)])

    def _do(self, works: "Iterable[_Work]") -> None:
        with self._changed:
            for work in works:
                if len(self._waiting) < MOST:
                    self._waiting.append(work)
                else:
                    self._lose(f"{MOST} wait for the disk already")
            if self._waiting and self._thread.ident is None:
                self._thread.start()
            self._changed.notify_all()

    def _run(self) -> None:
        while work := self._next():
            try:
                work(spool())
            except OSError as error:
                self._lose(str(error))
            except Exception:  # an error in one proof must not end the thread
                log.exception("a proof cannot be written")
            else:
                self._found_room()
            self._busy = False

    def _next(self) -> "_Work | None":
        """Wait for the next work item; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending)
            self._busy = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None

    def _lose(self, why: str) -> None:
        """Log the first lost proof; count the others."""
        if not self._lost:
            log.warning("proofs are lost, their links will say so; all else goes on: %s", why)
        self._lost += 1

    def _found_room(self) -> None:
        if self._lost:
            log.warning("proofs are written again; %d were lost", self._lost)
        self._lost = 0


def keep(to: Spool, proof: Proof) -> None:
    """Write one proof.

    Raises:
        OSError: the disk does not take it.
    """
    body = proof.capture.body
    meta = meta_of(proof)
    if meta.refused:
        log.error("the proof of %s is kept without its page: %s", meta.desk, meta.refused)
    to.add(meta, body, coming=proof.picture is not None)


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
