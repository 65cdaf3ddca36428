"""Outbox of proofs: the choice of pages that are kept, and the thread that enqueues them; no check waits for it.

A proof contains no secret of our settings, and no session token in its addresses. A body is stored as fetched, or not
at all: an altered body proves nothing, so a body that repeats a secret is refused. No data of a user is ever sent to a
site, so none can come back.
"""

import logging
import re
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr
from redis import RedisError

from configs.ground import proofs
from configs.ground.clock import clock
from configs.ground.jobs import push
from configs.ground.logs import MASK, mask_text
from configs.ground.proofs import JOB, PAGES, QUEUE, Meta, PageName, fingerprint, new_key, pack
from configs.ground.redis import redis
from configs.settings import settings
from configs.settings.proxies import Proxy
from configs.world.desk import Desk
from crawler.items import CheckItem, PageCapture, showing
from crawler.reading import Slot


@dataclass(frozen=True, slots=True)
class Proof:
    """A page to keep under `key`; the rows that it proves have this key."""

    key: str
    desk: Desk
    check: CheckItem
    capture: PageCapture


def of_detection(desk: Desk, check: CheckItem, news: Iterable[Slot]) -> Proof | None:
    """Return the proof of a detection: the page with its earliest new slot."""
    capture = showing(check.captures, news)
    return Proof(new_key(clock()), desk, check, capture) if capture else None


def of_trouble(desk: Desk, check: CheckItem, before: str | None) -> Proof | None:
    """Return the proof of an inconclusive check; None without a page, or if `before` is the same outcome.

    After a time-out, which has no page, an unreadable page is kept.
    """
    if check.outcome.conclusive or check.outcome == before or not check.captures:
        return None
    return Proof(new_key(clock()), desk, check, check.captures[0])


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
    in_all = sum(each.size for each in proofs.list_waiting(redis())) + len(body)
    if len(body) > LARGEST or in_all > LARGEST_IN_ALL:
        log.warning("%s is given up: its page has %d bytes, all that wait %d", meta.key, len(body), in_all)
        proofs.count_proof(redis(), "given_up")
        return
    name = PageName(meta.key, len(body), proof.check.seen_at)
    redis().hset(PAGES, str(name), meta.model_dump_json().encode() + b"\n" + body)
    nudge(name)


def nudge(name: PageName, by: str = "spider") -> None:
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


_SHORTEST = 8  # characters; a shorter text may occur by chance
_TOKENS = re.compile(
    r"(?i)([?&;](?:[\w.%-]*(?:token|sess(?:ion|id)|csrf|xsrf|secret|passw|signature|auth|api_?key)[\w.%-]*|sid|ticket)=)"
    r"[^?&#;\s'\"<>]*"
)


def mask_tokens(text: str) -> str:
    """Return a text without the tokens and passwords in its addresses, and without what logs mask."""
    return mask_text(_TOKENS.sub(rf"\g<1>{MASK}", text))


def secret_in(body: bytes) -> str | None:
    """Return the name of a setting whose secret a page repeats; None without one."""
    for name in type(settings()).model_fields:
        if any(secret in body for secret in _secrets(getattr(settings(), name))):
            return name.upper()
    return None


def _secrets(value: object) -> list[bytes]:
    """Return the secrets of a setting: its value, and the passwords of addresses in it."""
    if isinstance(value, tuple):
        return [secret for each in value if isinstance(each, Proxy) for secret in _secrets(each.address)]
    if not isinstance(value, SecretStr):
        return []
    text = value.get_secret_value()
    password = (urlsplit(text).password or "") if "://" in text else ""
    return [each.encode() for each in (text, password) if len(each) >= _SHORTEST]
