"""Golden pages: a folder per case, tests/golden/<platform>/<case>/. Adding one needs no code.

`page.html` (or .json) is the answer; `case.json` what the page does not say itself: url, status, headers, today,
parameters, ask {step, place, window}; `expected.json` what the reader must say of it.
"""

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crawler.platforms import platform
from crawler.reading import Ask, Covered, Page, Place, Visit

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(path for path in GOLDEN.glob("*/*") if path.is_dir())


def name_of(case: Path) -> str:
    """Return `<platform>/<case>`."""
    return f"{case.parent.name}/{case.name}"


@cache
def load(case: Path) -> Page:
    """Return a case's page as the crawl would hand it over."""
    told = json.loads((case / "case.json").read_text()) if (case / "case.json").exists() else {}
    reader = platform(case.parent.name)
    url = told.get("url", reader.EXAMPLE)
    zone = ZoneInfo(told.get("zone", "Europe/Paris"))
    today = date.fromisoformat(told.get("today", "2026-11-20"))
    visit = Visit(
        told.get("desk", url),
        today,
        zone,
        reader.Parameters(**told.get("parameters", reader.EXAMPLE_PARAMETERS)),
    )
    body = next(path for path in case.iterdir() if path.stem == "page").read_bytes()
    return Page(
        url, told.get("status", 200), body, visit, _ask(url, told.get("ask", {})), told.get("headers", {})
    )


def _ask(url: str, told: dict[str, Any]) -> Ask:
    place = Place(*told.get("place", [""]))
    window = told.get("window")
    first, last = map(date.fromisoformat, window) if window else (None, None)
    covered = Covered(place.key, first, last) if window else None
    return Ask(url, told.get("step", ""), place=place, window=covered)
