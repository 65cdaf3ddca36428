"""docs/coverage.md: its figures of desks, and that it is current."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from configs.settings import PREFECTURES
from configs.world.prefecture import prefectures
from crawler.commands.coverage import page

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


def test_the_page_is_current(settings_env: Callable[..., None]) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)
    assert PAGE.read_text("utf-8") == page(prefectures()), "scrapy coverage --write docs/coverage.md"


def test_it_tells_what_is_seen_from_what_is_not(
    desk_files: Callable[..., Any], tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    desk_files(a="127.77.0.91:1", b="127.77.0.91:1", c="127.77.0.91:1")
    path = next((tmp_path / "prefectures").glob("*.yaml"))
    before, seen, hidden, old = path.read_text().split("  - slug:")
    hidden = f"{hidden.rstrip()}\n    watch: presence\n"
    old = old.replace("grade: confirmed", "grade: stale")
    path.write_text(f"{before}  - slug:{seen}  - slug:{hidden}  - slug:{old}")
    settings_env(PREFECTURES_DIR=path.parent)
    lines = page(prefectures()).splitlines()
    assert (
        "1 prefectures, 3 desks, 2 of them checked. 1 prefectures have a desk whose slots are seen." in lines
    )
    assert [each.split(" | ")[1:4] for each in lines if "| NATURALISATION " in each] == [
        ["all 1", "all 1", "- |"]
    ]


def test_proven_provable_switched_off_and_impossible_are_counted_apart(
    desk_files: Callable[..., Any], tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    desk_files(a="127.77.0.91:1", b="127.77.0.91:1", c="127.77.0.91:1", d="127.77.0.91:1", e="127.77.0.92:1")
    path = next((tmp_path / "prefectures").glob("*.yaml"))
    before, proven, able, hidden, old, refused = path.read_text().split("  - slug:")
    hidden = f"{hidden.rstrip()}\n    watch: presence\n"
    old = old.replace("grade: confirmed", "grade: stale")
    rule = "  127.77.0.92:1:\n    robots: {decision: refused, date: 2026-11-01, reason: its robots.txt}\n"
    before = before.replace("hosts:\n", f"hosts:\n{rule}")
    parts = (before, proven, able, hidden, old, refused)
    path.write_text("  - slug:".join(parts))
    settings_env(PREFECTURES_DIR=path.parent)
    lines = page(prefectures(), {"evry_91/a", "evry_91/c"}).splitlines()
    assert "As the database of this installation says." in lines
    assert [each.split(" | ")[:3] for each in lines if "ezbooking" in each][:4] == [
        ["| proven by a live check", "1", "ezbooking 1"],
        ["| can prove, not yet proven", "1", "ezbooking 1"],
        ["| switched off until decided", "1", "ezbooking 1"],
        ["| cannot", "2", "ezbooking 2"],
    ]
