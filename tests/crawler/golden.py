"""Golden pages: a folder per case, tests/golden/<platform>/<case>/. Adding one needs no code.

`page.html` (.json, .ndjson, .txt) is the answer, and `expected.json` what the reader must say of it. There, `given`
is what the page does not say itself: url, status, headers, today, horizon (days), parameters,
ask {step, place, window}. A case that differs from another by a few words has no page: its `page` names the other
case (`of`) and what to `replace` in it.
"""

import csv
import json
import os
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crawler.platforms import example, platform, platforms
from crawler.reading import CoveredWindow, Page, PageRequest, Place, VisitContext
from tests.crawler.pages import PARIS, TODAY

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(path for path in GOLDEN.glob("*/*") if path.is_dir())


def name_of(case: Path) -> str:
    """Return `<platform>/<case>`."""
    return f"{case.parent.name}/{case.name}"


@cache
def case_file(case: Path) -> dict[str, Any]:
    """Return all that a case's file holds; nothing where it has none."""
    file = case / "expected.json"
    told: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return told


def given(case: Path) -> dict[str, Any]:
    """Return what a case's page does not say itself."""
    told: dict[str, Any] = case_file(case).get("given", {})
    return told


def expected(case: Path) -> dict[str, Any]:
    """Return the expected reading of a case's page; empty where the case expects nothing yet."""
    return {key: value for key, value in case_file(case).items() if key not in ("given", "page")}


def kind(case: Path) -> str:
    """Return the suffix of a case's page."""
    return _page_file(case).suffix


def body(case: Path) -> bytes:
    """Return a case's page: its own, or another's with some words replaced."""
    text = _page_file(case).read_bytes()
    for old, new in case_file(case).get("page", {}).get("replace", ()):
        assert text.count(old.encode()) == 1, f"{case}: {old!r} stands {text.count(old.encode())} times there"
        text = text.replace(old.encode(), new.encode())
    return text


def _page_file(case: Path) -> Path:
    other = case_file(case).get("page", {}).get("of")
    folder = case.parent / other if other else case
    return next(path for path in folder.iterdir() if path.stem == "page")


@cache
def load(case: Path) -> Page:
    """Return a case's page as the crawl would hand it over."""
    told = given(case)
    reader = platform(case.parent.name)
    url = told.get("url", reader.EXAMPLE)
    zone = ZoneInfo(told.get("zone", "Europe/Paris"))
    today = date.fromisoformat(told.get("today", "2026-11-20"))
    visit = VisitContext(
        told.get("desk", url),
        today,
        zone,
        reader.Parameters(**told.get("parameters", reader.EXAMPLE_PARAMETERS)),
        timedelta(days=told.get("horizon", 90)),
    )
    return Page(
        url,
        told.get("status", 200),
        body(case),
        visit,
        _ask(url, told.get("ask", {})),
        told.get("headers", {}),
    )


def _ask(url: str, told: dict[str, Any]) -> PageRequest:
    place = Place(*told.get("place", [""]))
    window = told.get("window")
    first, last = map(date.fromisoformat, window) if window else (None, None)
    covered = CoveredWindow(place.key, first, last) if window else None
    return PageRequest(url, told.get("step", ""), place=place, window=covered)


# Recorded answers, which are no part of this repository: RECORDINGS says where they are

RECORDINGS = Path(
    os.environ.get("RECORDINGS") or Path(__file__).parents[3] / "shared" / "booking-systems" / "fixtures"
)


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
