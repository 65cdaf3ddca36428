"""docs/coverage.md: its figures of desks, and that it is current."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs.settings.groups import PREFECTURES
from configs.world.prefecture import prefectures
from crawler.commands.coverage import page

PAGE = Path(__file__).parents[3] / "docs" / "coverage.md"


def test_the_page_is_current(settings_env: Callable[..., None]) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)
    assert PAGE.read_text("utf-8") == page(prefectures()), "scrapy coverage > docs/coverage.md"


@pytest.fixture
def five_desks(desk_files: Callable[..., Any], tmp_path: Path, settings_env: Callable[..., None]) -> None:
    """Write two desks that show slots, one behind a captcha, one that is old, and one whose robots.txt refuses us."""
    desk_files(a="127.77.0.91:1", b="127.77.0.91:1", c="127.77.0.91:1", d="127.77.0.91:1", e="127.77.0.92:1")
    path = next((tmp_path / "prefectures").glob("*.yaml"))
    before, proven, able, hidden, old, refused = path.read_text().split("  - slug:")
    hidden = f"{hidden.rstrip()}\n    watch: presence\n"
    old = old.replace("grade: confirmed", "grade: stale")
    rule = "  127.77.0.92:1:\n    robots: {decision: refused, date: 2026-11-01, reason: its robots.txt}\n"
    before = before.replace("hosts:\n", f"hosts:\n{rule}")
    rest = "".join(f"  - slug:{each}" for each in (proven, able, hidden, old, refused))
    path.write_text(before + rest)
    settings_env(PREFECTURES_DIR=path.parent)


@pytest.mark.usefixtures("five_desks")
def test_it_tells_what_is_seen_from_what_is_not() -> None:
    lines = page(prefectures()).splitlines()
    assert (
        "1 prefectures, 5 desks, 3 of them checked. 1 prefectures have a desk whose slots are seen." in lines
    )
    assert [
        each for each in lines if each.startswith(("| desks ", "| NATURALISATION ", "| VISA ", "| wishes "))
    ][:4] == [
        "| desks | 2 | 1 | 2 | 0 |",
        "| NATURALISATION | 1 | 0 | 0 | 0 |",
        "| VISA | 0 | 0 | 0 | 1 |",
        "| wishes | 2 | 0 | 0 | 6 |",
    ]
