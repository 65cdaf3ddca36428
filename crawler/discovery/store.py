"""Database reads and writes of discovery: links between two runs, and the check history of desks."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.discovery import DeskLink
from configs.world.desk import Desk
from crawler.discovery.moved_page_rules import DRIFT_SILENT_SECONDS, CheckHistory
from crawler.discovery.observations import PageSeen
from crawler.scheduling.desk_budgets import captcha_expected

# A desk is silent only if it was checked all the time: also this long before, and this recently.
_ASKED_LATELY = timedelta(days=1)
_LIVES = sa.text("""
SELECT d.id, d.last_check_at, d.last_proven_at, d.last_slot_at, d.last_outcome,
  (SELECT max(c.started_at) FROM checks c WHERE c.desk_id = d.id AND c.outcome = 'captcha'
    AND c.started_at > :since) AS captcha_at,
  (SELECT min(c.started_at) FROM checks c WHERE c.desk_id = d.id AND c.started_at > :since) AS first_at,
  EXISTS (SELECT FROM outages o WHERE o.desk_id = d.id AND o.ends_at IS NULL AND o.reason = 'stopped') AS stopped
FROM desks d WHERE d.id = ANY(:desks)
""")


def linking_pages(rows: Session) -> dict[str, set[str]]:
    """Return the pages that linked a desk when last seen, by desk id: a walk requests them first."""
    found: dict[str, set[str]] = defaultdict(set)
    for desk_id, url in rows.execute(sa.select(DeskLink.desk_id, DeskLink.page_url)):
        found[desk_id].add(url)
    return found


def lives(rows: Session, desks: Collection[Desk], now: datetime) -> dict[str, CheckHistory]:
    """Return the check history, by desk id; it reaches a day further back than DRIFT_SILENT_SECONDS."""
    since = now - timedelta(seconds=DRIFT_SILENT_SECONDS) - _ASKED_LATELY
    usual = {desk.id for desk in desks if captcha_expected(desk)}
    found = rows.execute(_LIVES, {"desks": sorted(desk.id for desk in desks), "since": since})
    return {row.id: _life(row, now, captcha=row.id in usual) for row in found}


def remember_links(rows: Session, seen: Mapping[str, Collection[PageSeen]], now: datetime) -> None:
    """Replace the stored links of desks that are linked now; desks without a link keep theirs.

    So a removed link is searched each day on its old pages, until it returns.
    """
    values = [
        {
            "desk_id": desk,
            "page_url": page.url,
            "first_seen_at": now,
            "seen_at": now,
        }
        for desk, pages in seen.items()
        for page in pages
    ]
    if not values:
        return
    fresh = insert(DeskLink)
    changed = {"seen_at": fresh.excluded.seen_at}
    rows.execute(fresh.on_conflict_do_update(index_elements=["desk_id", "page_url"], set_=changed), values)
    rows.execute(sa.delete(DeskLink).where(DeskLink.desk_id.in_(list(seen)), DeskLink.seen_at < now))


def _life(row: sa.Row[tuple[object, ...]], now: datetime, *, captcha: bool) -> CheckHistory:
    lived = [each for each in (row.last_proven_at, row.captcha_at if captcha else None) if each]
    lately = row.last_check_at is not None and row.last_check_at >= now - _ASKED_LATELY
    quiet = max([*lived, row.first_at]) if lately and row.first_at else None
    return CheckHistory(row.last_check_at, max(lived, default=None), row.last_slot_at, quiet, row.stopped)
