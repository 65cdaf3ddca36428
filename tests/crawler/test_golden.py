"""Golden pages: a folder per case, tests/golden/<platform>/<case>/. Adding one needs no code.

`page.html` (or .json) is the answer; `case.json` what the page does not say itself: url, status, headers, today,
parameters, ask {step, place, window}; `expected.json` what the reader must say of it. A case without one fails;
with GOLDEN=write it is written, to be read by a person before it is committed.
"""

import json
import os
import random
from copy import deepcopy
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lxml import etree, html

from crawler.commands.read import describe
from crawler.platforms import platform, platforms
from crawler.reading import Ask, Covered, Outcome, Page, Place, Reading, Visit
from crawler.walls import interpret
from tests.fuzz import FUZZ, times

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(path for path in GOLDEN.glob("*/*") if path.is_dir())
WALL = (GOLDEN / "ezbooking" / "cloudflare_challenge" / "page.html").read_bytes()
ids = [f"{case.parent.name}/{case.name}" for case in CASES]


@cache
def load(case: Path) -> Page:
    """Return a case's page as the crawl would hand it over."""
    told = json.loads((case / "case.json").read_text()) if (case / "case.json").exists() else {}
    reader = platform(case.parent.name)
    url = told.get("url", reader.EXAMPLE)
    zone = ZoneInfo(told.get("zone", "Europe/Paris"))
    today = date.fromisoformat(told.get("today", "2026-11-20"))
    visit = Visit(told.get("desk", url), today, zone, reader.Parameters(**told.get("parameters", {})))
    body = next(path for path in case.iterdir() if path.stem == "page").read_bytes()
    return Page(
        url, told.get("status", 200), body, visit, _ask(url, told.get("ask", {})), told.get("headers", {})
    )


def _ask(url: str, told: dict[str, Any]) -> Ask:
    place = Place(*told.get("place", [""]))
    window = told.get("window")
    covered = Covered(place.key, *map(date.fromisoformat, window)) if window else None
    return Ask(url, told.get("step", ""), place=place, window=covered)


def read_again(page: Page, body: bytes) -> Reading:
    """Read another body as if it had come instead."""
    return interpret(platform("ezbooking"), replace(page, body=body))


@pytest.mark.parametrize("name", sorted(platforms()))
def test_a_platform_has_golden_pages(name: str) -> None:
    assert [case for case in CASES if case.parent.name == name]


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_golden_page_is_read_as_expected(case: Path) -> None:
    page, expected = load(case), case / "expected.json"
    said = describe(interpret(platform(case.parent.name), page), page.visit.zone)
    if not expected.exists() and os.environ.get("GOLDEN") == "write":
        expected.write_text(json.dumps(said, ensure_ascii=False, indent=2) + "\n")
    assert expected.exists(), f"{expected} is missing: GOLDEN=write writes it, read it before you commit it"
    assert said == json.loads(expected.read_text())


# Broken pages: whatever is missing, doubled or out of order, no slot is invented, and no absence.


def hours(reading: Reading) -> set[str]:
    return {slot.moment_text for slot in reading.slots if slot.moment is not None}


def truth(case: Path) -> Reading:
    page = load(case)
    return interpret(platform(case.parent.name), page)


def agrees(whole: Reading, broken: Reading) -> bool:
    """Whether a broken page is read as the whole one or as something that claims less."""
    if broken.slots and not (hours(broken) <= hours(whole)):
        return False
    opened = [slot for slot in broken.slots + broken.fallback if slot.moment is None]
    if opened and not (whole.slots or whole.fallback):
        return False
    return broken.outcome is not Outcome.NO_SLOTS or whole.outcome is Outcome.NO_SLOTS


def drop(root: html.HtmlElement, chance: random.Random) -> None:
    node = chance.choice(list(root.iter(etree.Element)))
    if node.getparent() is not None:
        node.drop_tree()


def double(root: html.HtmlElement, chance: random.Random) -> None:
    node = chance.choice(list(root.iter(etree.Element)))
    if (parent := node.getparent()) is not None:
        parent.append(deepcopy(node))


def shuffle(root: html.HtmlElement, chance: random.Random) -> None:
    node = chance.choice(list(root.iter(etree.Element)))
    children = list(node)
    chance.shuffle(children)
    node[:] = children


def cut(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.randrange(len(body))]


TREES = (drop, double, shuffle)


@pytest.mark.fuzz
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_broken_page_never_claims_more_than_the_whole_one(case: Path) -> None:
    page, whole = load(case), truth(case)
    chance = random.Random(case.name if FUZZ == 1 else None)
    for _ in range(times(100)):
        root = html.document_fromstring(page.body)
        for _ in range(chance.randint(1, 4)):
            chance.choice(TREES)(root, chance)
        body, short = html.tostring(root, encoding="utf-8"), cut(page.body, chance)
        for broken in (body, short):
            assert agrees(whole, read_again(page, broken)), broken.decode(errors="replace")
        left = read_again(page, short)
        assert not left.covered or hours(whole) <= hours(left), short.decode(errors="replace")


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_bot_wall_in_place_of_any_page_is_a_wall(case: Path) -> None:
    page = load(case)
    walled = Page(page.url, 200, WALL, page.visit, page.ask)
    assert interpret(platform(case.parent.name), walled).outcome is Outcome.BLOCKED


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_page_in_another_language_is_not_guessed_at(case: Path) -> None:
    page, whole = load(case), truth(case)
    text = page.text
    for french, english in (
        ("plage horaire", "time slot"),
        ("calendrier", "calendar"),
        ("libre", "free"),
        ("Etape", "Step"),
    ):
        text = text.replace(french, english)
    assert agrees(whole, read_again(page, text.encode()))
