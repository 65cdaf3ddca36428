"""The end of a walk: moved pages, links and the report, in one transaction with the end of its row."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import session
from api.models.discovery import DeskLink, DriftReason
from configs.ground.formatting import pluralize
from configs.settings import settings
from configs.world.desk import Desk
from configs.world.prefecture import Prefecture, desks, prefectures
from crawler.discovery import daily_schedule
from crawler.discovery.daily_schedule import Run
from crawler.discovery.results import DRIFT_SILENT_SECONDS, CheckHistory, RunResult, evaluate_run
from crawler.discovery.site_walk import ObservedPage, PageSeen
from crawler.incidents import moved_pages
from crawler.scheduling.intervals import captcha_expected


def finish(run: Run, pages: Collection[PageSeen], cut: Collection[str], now: datetime) -> Path | None:
    """End a walk and return its report's file; None if it has been ended. `cut`: prefectures not walked to their end.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away; nothing is written, and the walk stays open.
        OSError: the report cannot be written; the same.
    """
    every = desks().values()
    with session() as rows:
        watched = [desk for desk in every if desk.schedulable]
        before, lived = linking_pages(rows), lives(rows, watched, now)
        places = list(prefectures().values())
        outcome = evaluate_run(pages, places, every, now, before=before, lives=lived, cut=cut)
        found = len(outcome.found)
        if not daily_schedule.end(rows, run, now, cut=bool(outcome.cut), pages=len(pages), found=found):
            return None
        again = [
            each.desk_id
            for each in moved_pages.find_open_drifts(rows)
            if each.reason is DriftReason.UNLINKED and each.desk_id in outcome.linked
        ]
        moved_pages.end_drifts(rows, again, now)
        new = moved_pages.open_drifts(rows, outcome.drifted, now)
        remember_links(rows, outcome.linked, now)
        return write(text(outcome, run.started_at, now, new, again), run.started_at)


def describe(
    places: Sequence[Prefecture], pages: Iterable[PageSeen], cut: Collection[str], now: datetime
) -> str:
    """Write the report of a walk at the terminal and return it. It changes no row, and no desk counts as moved."""
    said = text(evaluate_run(pages, places, desks().values(), now, cut=cut), now, now)
    file = write(said, now, "-".join(place.id for place in places))
    return f"{said}\nWritten to {file}"


def write(report: str, started_at: datetime, of: str = "all") -> Path:
    """Write a report to `discovery/<date>-<of>.txt` below the state folder, in place of an earlier one of that day.

    `of` names the sites, if the walk did not visit all. Return the file.

    Raises:
        OSError: it cannot be written.
    """
    file = settings().state_dir / "discovery" / f"{started_at:%Y-%m-%d}-{of}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(report, "utf-8")
    return file


def text(
    outcome: RunResult,
    started_at: datetime,
    ended_at: datetime,
    new: Collection[str] = (),
    again: Collection[str] = (),
) -> str:
    """Return the report; what needs action comes first.

    `new`: desks that are out of sale since this walk; `again`: those that are linked again.
    """
    signs = {desk: f"{desk}: {reason}: {detail}" for desk, reason, detail in outcome.drifted}
    parts = {
        "Booking pages that no file has (`scrapy detect` drafts an entry)": [
            f"{place}: {each.url} ({each.platform or 'platform unknown'}) {each.text!r}, linked by {pages[0]}"
            for place, each, pages in outcome.found
        ],
        "Desks whose page seems to have moved: out of sale now": [
            line for desk, line in signs.items() if desk in new
        ],
        "Desks whose page still seems to have moved": [
            line for desk, line in signs.items() if desk not in new
        ],
        "Desks that are linked again": again,
        "Desks that the files call stale or retired, and that are linked": outcome.former,
        "Desks and the pages that link them": [
            f"{desk}: linked by {', '.join(sorted(pages))}" for desk, pages in sorted(outcome.linked.items())
        ],
        "Pages that prove nothing": [
            f"{page.url}: {page.detail}" for page in outcome.seen if page.seen is ObservedPage.DOUBT
        ],
        "Sites not walked to their end": outcome.cut,
    }
    sites = pluralize(len({page.prefecture_id for page in outcome.seen}), "site")
    read = f"{pluralize(len(outcome.seen), 'page')} of {sites}"
    summary = f"{read}, {len(outcome.found)} new, {len(outcome.drifted)} moved"
    head = f"Discovery of {started_at:%Y-%m-%d %H:%M} UTC, ended {ended_at:%H:%M}: {summary}\n"
    shown = (
        f"\n{title}\n" + "".join(f"  {line}\n" for line in lines) for title, lines in parts.items() if lines
    )
    return head + "".join(shown)


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


def remember_links(rows: Session, seen: Mapping[str, Collection[str]], now: datetime) -> None:
    """Replace the stored links (pages by desk id) of desks that are linked now; desks without a link keep theirs.

    So a removed link is searched each day on its old pages, until it returns.
    """
    values = [
        {"desk_id": desk, "page_url": url, "first_seen_at": now, "seen_at": now}
        for desk, urls in seen.items()
        for url in urls
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
    return CheckHistory(max(lived, default=None), row.last_slot_at, quiet, row.stopped)
