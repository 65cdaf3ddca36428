"""Looks at this machine's spool and says in Redis how it is. On a thread of its own: its disk may hang."""

import logging
import platform
import threading
from datetime import UTC, datetime
from urllib.parse import urlsplit

import redis

from configs.clock import clock
from configs.proof_spool_status import SpoolReport, publish_report
from configs.settings import settings
from crawler.proofs.spool import Spool, spool
from crawler.proofs.status import Diary

log = logging.getLogger(__name__)


def watch_spool(client: redis.Redis, stop: threading.Event) -> threading.Thread:
    """Say each KEEPER_SECONDS how the spool is, on a thread that holds up no end."""
    thread = threading.Thread(target=_watch, args=(client, stop), name="outlook", daemon=True)
    thread.start()
    return thread


def inspect_spool(at: Spool) -> SpoolReport:
    """Return how a spool is, now."""
    said = {"at": clock(), "machine": platform.node(), "store": store_name()}
    try:
        entries = at.waiting()
        proofs = [entry for entry in entries if not entry.only_picture]
        oldest = entries[0].left_at if entries else None
        notes = Diary(at.folder).read_notes()
        return SpoolReport(
            **said,
            waiting=len(proofs),
            oldest_at=oldest and datetime.fromtimestamp(oldest, UTC),
            unpictured=len(at.unpictured()),
            given_up=notes.given_up,
            pictureless=notes.pictureless,
            away_since=notes.away_since,
            away=notes.away,
            trouble=at.lacks_room() or "",
        )
    except OSError as error:
        return SpoolReport(**said, trouble=f"the spool cannot be read: {error}")


def store_name() -> str:
    """Return where the store is, without what could be a secret."""
    given = settings().proofs_url or str(settings().state_dir.resolve() / "proofs" / "kept")
    url = urlsplit(given)
    place = f"{url.scheme}://{url.hostname or ''}{url.path}" if url.netloc else given
    at = settings().proofs_endpoint_url
    return f"{place} at {urlsplit(str(at)).hostname}" if at and url.netloc else place


def _watch(client: redis.Redis, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            publish_report(client, inspect_spool(spool()))
        except redis.RedisError as error:  # the keeper's own loop says so, once
            log.debug("nobody hears of the spool: %s", error)
        stop.wait(settings().keeper_seconds)
