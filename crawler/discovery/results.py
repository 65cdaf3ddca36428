"""Result of a walk: unlisted booking pages, desks that moved or are linked again; its end in the rows."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import session
from api.models.discovery import DeskLink, DiscoveryRun, DriftReason
from configs.ground.text import pluralize
from configs.world.desk import Desk
from configs.world.prefecture import desks
from crawler.discovery import candidates, daily_schedule
from crawler.discovery.booking_links import Booking, simplify_address
from crawler.discovery.moved_page_rules import CheckHistory, find_move, load_histories
from crawler.discovery.observations import ObservedPage
from crawler.discovery.site_walk import SiteWalk
from crawler.incidents import moved_pages

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a walk tells."""

    found: list[tuple[str, Booking, list[str]]]  # prefecture, a page that no file has, the pages that link it
    drifted: list[tuple[str, DriftReason, str]]  # desk, reason, evidence
    linked: Mapping[str, Collection[str]]  # the pages that link a desk now, by desk id


def evaluate_run(
    sites: Mapping[str, SiteWalk],
    every: Collection[Desk],
    now: datetime,
    before: Mapping[str, Collection[str]],
    lives: Mapping[str, CheckHistory],
) -> RunResult:
    """Return the result of a run, from the walked sites by prefecture and what was known of `every` desk.

    `before`: pages that linked a desk, and `lives`: what its checks proved, by its id.
    """
    owners: dict[str, list[Desk]] = defaultdict(list)
    for desk in every:
        owners[simplify_address(desk.url)].append(desk)
    linked: dict[str, set[str]] = defaultdict(set)
    new: dict[tuple[str, str], tuple[str, Booking, list[str]]] = {}
    for page in (page for site in sites.values() for page in site.pages.values()):
        for each in page.bookings:
            name = simplify_address(each.url)
            for desk in owners.get(name, ()):
                if desk.prefecture_id == page.prefecture_id:
                    linked[desk.id].add(page.url)
            if name not in owners:
                found = new.setdefault((page.prefecture_id, name), (page.prefecture_id, each, []))
                found[-1].append(page.url)
    drifted = []
    for desk in (each for each in every if each.schedulable):
        site = sites.get(desk.prefecture_id)
        # by several prefectures: a national search
        is_shared = len({each.prefecture_id for each in owners[simplify_address(desk.url)]}) > 1
        sign = find_move(
            lives.get(desk.id, CheckHistory()),
            () if is_shared else before.get(desk.id, ()),
            site.pages if site else {},
            now,
            linked=desk.id in linked,
            cut=site is None or site.is_cut,
        )
        if sign:
            drifted.append((desk.id, *sign))
    return RunResult(list(new.values()), drifted, linked)


def finish(run: DiscoveryRun, sites: Mapping[str, SiteWalk], now: datetime) -> None:
    """End a walk, unless it has been ended: its rows.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away; nothing is written, and the walk stays open.
    """
    every = desks().values()
    pages = [page for site in sites.values() for page in site.pages.values()]
    cut = [name for name, site in sites.items() if site.is_cut]
    with session() as rows:
        lived = load_histories(rows, [desk for desk in every if desk.schedulable], now)
        outcome = evaluate_run(sites, every, now, load_linking_pages(rows), lived)
        if not daily_schedule.end(rows, run, now, cut=bool(cut), pages=len(pages), found=len(outcome.found)):
            return
        again = [
            each.desk_id
            for each in moved_pages.find_open_drifts(rows)
            if each.reason is DriftReason.UNLINKED and each.desk_id in outcome.linked
        ]
        moved_pages.end_drifts(rows, again, now)
        moved_pages.open_drifts(rows, outcome.drifted, now)
        _remember_links(rows, outcome.linked, now)
        candidates.add_found(rows, outcome.found, now)
    doubts = sum(page.seen is ObservedPage.DOUBT for page in pages)
    log.info(
        "walked %s, of which %d prove nothing; %s no desk file has; not walked to their end: %s",
        pluralize(len(pages), "page"), doubts, pluralize(len(outcome.found), "booking page"), ", ".join(cut) or "none",
    )  # fmt: skip


def load_linking_pages(rows: Session) -> dict[str, set[str]]:
    """Return the pages that linked a desk when last seen, by desk id: a walk requests them first."""
    found: dict[str, set[str]] = defaultdict(set)
    for desk_id, url in rows.execute(sa.select(DeskLink.desk_id, DeskLink.page_url)):
        found[desk_id].add(url)
    return found


def _remember_links(rows: Session, seen: Mapping[str, Collection[str]], now: datetime) -> None:
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
