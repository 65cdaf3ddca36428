"""Recorded answers, which are no part of this repository: RECORDINGS says where they are."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

from crawler.platforms import example, platform, platforms
from crawler.reading import Page, PageRequest
from tests.crawler.pages import PARIS, TODAY

ROOT = Path(__file__).parents[2]
RECORDINGS = Path(os.environ.get("RECORDINGS") or ROOT.parent / "shared" / "booking-systems" / "fixtures")


@dataclass(frozen=True)
class Row:
    """One line of expected.csv; `first` and `last` are wall clocks of Paris, or dates."""

    file: str
    platform: str
    status: int
    outcomes: frozenset[str | None]
    slots: int
    first: str
    last: str
    next: str = ""  # the moment that it names as the next one

    def __str__(self) -> str:
        return f"{self.platform}:{Path(self.file).name}:{self.status}"


def rows() -> list[Row]:
    """Return the lines of expected.csv whose platform there is a reader for; none without recordings."""
    listed = RECORDINGS / "expected.csv"
    if not listed.exists():
        return []
    found = []
    for line in csv.DictReader(listed.read_text(encoding="utf-8").splitlines()):
        statuses = {int(line["status"])} | (
            {200} if "also with status 200" in (line["note"] or "") else set()
        )
        outcomes = frozenset(None if name == "null" else name for name in line["outcome"].split("|"))
        found += [
            Row(
                line["file"],
                line["platform"],
                status,
                outcomes,
                int(line["slots"]),
                line["first"],
                line["last"],
                (line["note"] or "").partition("next names ")[2],
            )
            for status in sorted(statuses)
            if line["platform"] in platforms()
        ]
    return found


def page_of(row: Row) -> Page:
    """Return a recorded answer as the crawl would hand it over."""
    reader = platform(row.platform)
    visit = example(reader, TODAY, PARIS)
    return Page(visit.url, row.status, (RECORDINGS / row.file).read_bytes(), visit, PageRequest(visit.url))
