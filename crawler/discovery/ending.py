"""The end of a walk: moved pages, links and the report, in one transaction with the end of its row."""

from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from api.models.base import session
from configs.settings import settings
from configs.world.prefecture import Prefecture, desks, prefectures
from crawler.discovery import daily_schedule, report, store
from crawler.discovery.daily_schedule import Run
from crawler.discovery.observations import PageSeen
from crawler.discovery.report import DiscoveryReport
from crawler.discovery.results import KnownPages, addresses, back, evaluate_run
from crawler.incidents import moved_pages


def finish(run: Run, pages: Collection[PageSeen], cut: Iterable[str], now: datetime) -> Path | None:
    """End a walk and return its report's file; None if it has been ended. `cut`: prefectures not walked to their end.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away; nothing is written, and the walk stays open.
        OSError: the report cannot be written; the same.
    """
    places = list(prefectures().values())
    with session() as rows:
        outcome = evaluate_run(pages, places, _load_known_pages(rows, frozenset(cut), now), now)
        found = len(outcome.found)
        if not daily_schedule.end(rows, run, now, cut=outcome.cut, pages=len(pages), found=found):
            return None
        again = back({each.desk_id: each.reason for each in moved_pages.find_open_drifts(rows)}, outcome)
        moved_pages.end_drifts(rows, again, now)
        new = moved_pages.open_drifts(
            rows, ((desk, sign.reason, sign.detail) for desk, sign in outcome.drifted), now
        )
        store.remember_links(rows, outcome.linked, now)
        made = DiscoveryReport(outcome, run.started_at, now, tuple(new), tuple(again))
        return report.write(made, settings().state_dir)


def describe(
    places: Collection[Prefecture], pages: Iterable[PageSeen], cut: Iterable[str], now: datetime
) -> str:
    """Write the report of a walk at the terminal and return it. It changes no row, and no desk counts as moved."""
    outcome = evaluate_run(
        pages, list(places), KnownPages(addresses(desks().values()), cut=frozenset(cut)), now
    )
    made = DiscoveryReport(outcome, now, now)
    file = report.write(made, settings().state_dir, "-".join(place.id for place in places))
    return f"{report.text(made)}\nWritten to {file}"


def _load_known_pages(rows: Session, cut: frozenset[str], now: datetime) -> KnownPages:
    every = desks().values()
    watched = [desk for desk in every if desk.schedulable]
    return KnownPages(addresses(every), store.linking_pages(rows), store.lives(rows, watched, now), cut)
