"""What a person who walks one prefecture's site at the terminal is told, and the same as files."""

import sys
from collections.abc import Iterator, Mapping, Sequence

from configs.clock import clock
from configs.prefecture import Prefecture, desks
from configs.settings import settings
from crawler.discovery import report
from crawler.discovery.observations import Fact
from crawler.discovery.recognise import key
from crawler.discovery.report import DiscoveryReport
from crawler.discovery.results import KnownPages, RunResult, addresses, evaluate_run


def print_report(places: Sequence[Prefecture], facts: list[Fact], reason: str) -> None:
    """Print what a walk came to and write it below the state folder; nothing is remembered, no desk drifts by it."""
    now = clock()
    cut = frozenset() if reason == "finished" else frozenset(place.id for place in places)
    owners = addresses(desks().values())
    outcome = evaluate_run(facts, places, KnownPages(owners, cut=cut), now)
    made = DiscoveryReport(outcome, now, now)
    folder = report.write(made, settings().state_dir, "-".join(place.id for place in places))
    said = report.text(made) + "".join(links(places, outcome, owners))
    print(said, f"\nWritten to {folder}", sep="", file=sys.stdout)  # noqa: T201 -- it is run at a terminal


def links(
    places: Sequence[Prefecture], outcome: RunResult, owners: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    """Yield the lines that say of each watched desk whether its site links it: all that one walk can tell of drift.

    Not of addresses that prefectures share: their links say nothing of one desk (`owners`, see `addresses`).
    """
    unsure = {each.prefecture_id for each in outcome.walked if each.cut or each.doubts}
    yield "\nDesks and the pages that link them (whether one has moved, only the daily walk knows: it remembers)\n"
    for desk in (each for place in places for each in place.desks if each.schedulable):
        if len(owners[key(desk.url)]) > 1:
            continue
        pages = ", ".join(sorted(page.url for page in outcome.linked.get(desk.id, ())))
        if pages:
            yield f"  {desk.id}: linked by {pages}\n"
        else:
            more = ", and not all of the site could be read" if desk.prefecture_id in unsure else ""
            yield f"  {desk.id}: linked by no page that was read{more}\n"
