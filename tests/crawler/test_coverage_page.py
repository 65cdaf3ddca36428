"""docs/coverage.md: its figures of desks, and that it is current."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scrapy.cmdline import execute

from configs.settings import PREFECTURES
from configs.world.prefecture import prefectures
from crawler.commands.coverage import page
from tests.crawler.held import scrapy_settings

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


def run(*arguments: str) -> str | int | None:
    with pytest.raises(SystemExit) as left:
        execute(["scrapy", "coverage", *arguments], scrapy_settings())
    return left.value.code


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


def test_it_is_printed_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert run("--write", str(tmp_path / "page.md")) == 0
    assert (tmp_path / "page.md").read_text("utf-8") == capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("all",), "'all' is no argument"), (("--write", "/nowhere/page.md"), "cannot write /nowhere/page.md")],
)
def test_it_ends_with_the_words_and_no_traceback(arguments: tuple[str, ...], said: str) -> None:
    assert said in str(run(*arguments))
