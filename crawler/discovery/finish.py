"""The end of a walk: its verdict is written, once, by whichever of its processes comes first."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from api.models.base import session
from configs.hosts import host_of
from configs.prefecture import Prefecture, desks, prefectures
from configs.settings import settings
from crawler.discovery import report, runs, store
from crawler.discovery.observations import Fact, landings
from crawler.discovery.report import DiscoveryReport
from crawler.discovery.results import KnownPages, RunResult, addresses, back, evaluate_run
from crawler.discovery.runs import Run
from crawler.incidents import moved_pages
from crawler.url_policy import resolve_stand_in


@dataclass(frozen=True, slots=True)
class Ending:
    """What a process knows as the walk ends. `cut_hosts` were not walked to their end; `pages` were asked for."""

    run: Run
    facts: list[Fact]
    cut_hosts: Collection[str]
    pages: int


def finish(ending: Ending, now: datetime) -> Path | None:
    """Write drifts, memory and report in one transaction with the walk's end; return the report's folder.

    None: another process has.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away; nothing is written, and the walk goes on.
        OSError: the report cannot be written; the same.
    """
    places = list(prefectures().values())
    with session() as rows:
        if not runs.lock_run(rows, ending.run):
            return None
        outcome = evaluate_run(ending.facts, places, _load_known_pages(rows, ending, places, now), now)
        again = back({each.desk_id: each.reason for each in moved_pages.find_open_drifts(rows)}, outcome)
        moved_pages.end_drifts(rows, again, now)
        new = moved_pages.open_drifts(
            rows, ((desk, sign.reason, sign.detail) for desk, sign in outcome.drifted), now
        )
        _remember(rows, ending, outcome, now)
        asked, found = ending.pages, len(outcome.found)
        runs.end(rows, ending.run, now, cut=outcome.cut, pages=asked, found=found)
        made = DiscoveryReport(outcome, ending.run.started_at, now, tuple(new), tuple(again))
        return report.write(made, settings().state_dir)


def site_host(place: Prefecture) -> str:
    """Return the `name:port` that a prefecture's own site is asked at."""
    return host_of(resolve_stand_in(place.site, settings().sandbox_hosts))


def _load_known_pages(
    rows: Session, ending: Ending, places: Collection[Prefecture], now: datetime
) -> KnownPages:
    every = desks().values()
    watched = [desk for desk in every if desk.schedulable]
    cut = frozenset(place.id for place in places if site_host(place) in ending.cut_hosts)
    return KnownPages(addresses(every), store.before(rows), store.lives(rows, watched, now), cut)


def _remember(rows: Session, ending: Ending, outcome: RunResult, now: datetime) -> None:
    store.remember_links(rows, outcome.linked, now)
    store.remember_titles(rows, landings(ending.facts).values())
