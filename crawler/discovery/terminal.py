"""What a person who walks one prefecture's site at the terminal is told, and the same as files."""

import sys
from collections.abc import Sequence

from configs.clock import clock
from configs.prefecture import Prefecture, desks
from configs.settings import settings
from crawler.discovery import report
from crawler.discovery.facts import Fact
from crawler.discovery.report import Report
from crawler.discovery.verdict import Known, addresses, verdict


def tell(places: Sequence[Prefecture], facts: list[Fact], reason: str) -> None:
    """Print what a walk came to and write it below the state folder; nothing is remembered, no desk drifts by it."""
    now = clock()
    cut = frozenset() if reason == "finished" else frozenset(place.id for place in places)
    outcome = verdict(facts, places, Known(addresses(desks().values()), cut=cut), now)
    made = Report(outcome, now, now)
    folder = report.write(made, settings().state_dir, "-".join(place.id for place in places))
    print(report.text(made), f"\nWritten to {folder}", sep="", file=sys.stdout)  # noqa: T201 -- it is run at a terminal
