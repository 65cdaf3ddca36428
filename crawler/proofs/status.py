"""Status of the proof worker and its spool: counters and the spool's report in Redis."""

import logging
import platform
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import redis
from pydantic import BaseModel, ConfigDict, ValidationError

from configs.clock import clock
from configs.proof_spool_status import SpoolReport, publish_report
from configs.redis import redis_client
from configs.setting_groups.value_types import read_store
from configs.settings import settings
from crawler.proofs.spool import PROOFS_SECONDS, Spool, spool

log = logging.getLogger(__name__)

_KEPT = timedelta(days=2)
_REDIS_SECONDS = 2.0  # the worker's supervisor ends it after 150 s without a sign of life


class WorkerCounters(BaseModel):
    """The counters of one day (UTC)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    day: date
    given_up: int = 0  # proofs that will never be stored
    pictureless: int = 0  # proofs that will never have a picture
    away_since: datetime | None = None  # start of the present store outage
    away: str = ""  # its error


class CounterStore:
    """The counters of one machine's worker, which alone writes them. What Redis loses is not counted."""

    def __init__(self, client: redis.Redis | None = None) -> None:
        self._client = client or redis_client(_REDIS_SECONDS)
        self._key = f"crawler:proofs:counters:{platform.node()}"

    def read_counters(self) -> WorkerCounters:
        """Return today's counters; from an older day only the store outage is kept.

        Raises:
            redis.RedisError: Redis is away.
        """
        today = clock().date()
        found = cast("bytes | None", self._client.get(self._key))
        try:
            counters = WorkerCounters.model_validate_json(found or b"")
        except ValidationError:  # none yet
            return WorkerCounters(day=today)
        if counters.day == today:
            return counters
        return WorkerCounters(day=today, away_since=counters.away_since, away=counters.away)

    def gave_up(self, proofs: int = 1) -> None:
        """Count proofs that will never be stored."""
        if proofs:
            self._update(lambda now: {"given_up": now.given_up + proofs})

    def pictureless(self) -> None:
        """Count a proof that will never have a picture."""
        self._update(lambda now: {"pictureless": now.pictureless + 1})

    def store_away(self, why: str) -> None:
        """Record a store outage; its start stays where one is recorded already."""
        self._update(lambda now: {"away_since": now.away_since or clock(), "away": why})

    def store_back(self) -> None:
        """Record the end of a store outage."""
        self._update(lambda now: {"away_since": None, "away": ""} if now.away_since else {})

    def _update(self, change: Callable[[WorkerCounters], dict[str, Any]]) -> None:
        try:
            counters = self.read_counters()
            if changed := change(counters):
                text = counters.model_copy(update=changed).model_dump_json()
                self._client.set(self._key, text, ex=_KEPT)
        except redis.RedisError as error:  # proofs are stored all the same
            log.debug("the proof counters cannot be written: %s", error)


def publish_reports(stop: threading.Event) -> None:
    """Publish the spool's report each PROOFS_SECONDS until `stop`.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    client = redis_client(_REDIS_SECONDS)
    counters = CounterStore(client)
    while not stop.is_set():
        try:
            publish_report(client, inspect_spool(spool(), counters))
        except redis.RedisError as error:  # proofs are stored all the same
            log.debug("the spool's report is not published: %s", error)
        stop.wait(PROOFS_SECONDS())


def inspect_spool(at: Spool, counters: CounterStore) -> SpoolReport:
    """Return the present report of a spool.

    Raises:
        redis.RedisError: Redis is away.
    """
    said = {"at": clock(), "machine": platform.node(), "store": store_name()}
    try:
        entries = at.waiting()
        proofs = [entry for entry in entries if not entry.only_picture]
        oldest = entries[0].left_at if entries else None
        counted = counters.read_counters()
        return SpoolReport(
            **said,
            waiting=len(proofs),
            oldest_at=oldest and datetime.fromtimestamp(oldest, UTC),
            unpictured=len(at.unpictured()),
            given_up=counted.given_up,
            pictureless=counted.pictureless,
            away_since=counted.away_since,
            away=counted.away,
            trouble=at.lacks_room() or "",
        )
    except OSError as error:
        return SpoolReport(**said, trouble=f"the spool cannot be read: {error}")


def store_name() -> str:
    """Return the store's address without anything that could be a secret."""
    given = read_store(settings().proofs_url or str(settings().state_dir.resolve() / "proofs" / "kept"))
    url = urlsplit(given.url)
    place = f"{url.scheme}://{url.hostname or ''}{url.path}" if url.netloc else given.url
    return f"{place} at {urlsplit(given.endpoint).hostname}" if given.endpoint else place
