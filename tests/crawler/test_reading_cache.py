"""The cache of readings: what it returns is what reading the page again would."""

from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from configs.ground.strict_model import Strict
from crawler import reading_cache
from crawler.classification import classify_page
from crawler.platforms import platform
from crawler.reading import Page, Reading, VisitContext
from crawler.reading_cache import ReadingCache
from tests.crawler.golden import CASES, expected, load, name_of
from tests.crawler.pages import page
from tests.fuzz import FUZZ
from tests.in_turn import in_turn

# The cache of readings: what it returns is what reading the page again would


FULL = b"<html><form id=FormBookingCreate>Il n'existe plus de plage horaire libre</form></html>"


class Reader:
    """Reads with the platform's own reader and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reading: Reading | None = None) -> None:
        self.read = 0
        self._reading = reading
        monkeypatch.setattr(reading_cache, "classify_page", self._classify)

    def _classify(self, *given: Any) -> Reading:
        self.read += 1
        return self._reading or classify_page(*given)


def list_sample() -> Iterable[Path]:
    """Return one page of each outcome of each platform, as the cache knows none; `make fuzz` takes all."""
    one_each = {(each.parent.name, expected(each).get("outcome")): each for each in CASES}
    return CASES if FUZZ > 1 else one_each.values()


@pytest.mark.fuzz
@pytest.mark.rule("3.2")
@in_turn("case", list_sample, name_of)
def test_a_golden_page_has_its_reading_on_every_visit(case: Path) -> None:
    cache, reader, seen = ReadingCache(), platform(case.parent.name), load(case)
    for turn in (0, 0, 1, 2, 7):
        again = replace(seen, visit=replace(seen.visit, turn=turn))
        assert cache.classify(reader, again) == classify_page(reader, again)


@pytest.mark.rule("3.2")
@in_turn("kind", [Page, VisitContext])
def test_every_field_but_the_turn_has_it_read_again(
    monkeypatch: pytest.MonkeyPatch, kind: type[Page] | type[VisitContext]
) -> None:
    """A field that is not named here is new: it belongs to what the cache compares, too."""
    seen = _page(FULL)
    others: dict[str, Any] = {
        "url": f"{seen.url}/other",
        "status": 503,
        "body": FULL + b" ",
        "visit": replace(seen.visit, url=f"{seen.visit.url}/other"),
        "ask": replace(seen.ask, form={"planning": "7"}),
        "headers": {"retry-after": "30"},
        "skipped_actions": 1,
        "failed_action": "the element was covered",
        "today": seen.visit.today + timedelta(days=1),
        "zone": ZoneInfo("Indian/Reunion"),
        "parameters": Strict(),
        "horizon": timedelta(days=1),
        "requests": 3,
        "position": (2.43, 48.62),
        "browser": True,
        "oldest": timedelta(days=1),
    }
    for name in {each.name for each in fields(kind)} - {"turn"}:
        cache, reader = ReadingCache(), Reader(monkeypatch)
        changed = {name: others[name]}
        other = (
            replace(seen, **changed) if kind is Page else replace(seen, visit=replace(seen.visit, **changed))
        )
        for each in (seen, seen, other):
            cache.classify(platform("ezbooking"), each)
        assert reader.read == 2, name


def _page(body: bytes, **headers: str) -> Page:
    return replace(page(body), headers=headers)
