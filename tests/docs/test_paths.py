"""Everything that the docs point at exists: files, other pages and their headings."""

import re
from functools import cache
from pathlib import Path

from tests.in_turn import in_turn

ROOT = Path(__file__).parents[2]
PAPERS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_CODE = re.compile(r"`([^`\n]+)`")
_FILE = re.compile(r"(?:api|configs|crawler|deploy|docs|notifier|tests)/[\w./-]+")
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")


@cache
def headings(paper: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    titles = re.findall(r"^#+ (.+)$", paper.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@in_turn("paper", PAPERS, str)
def test_the_files_that_a_page_names_exist(paper: Path) -> None:
    words = (word for code in _CODE.findall(paper.read_text()) for word in code.split())
    assert [word for word in words if _FILE.fullmatch(word) and not (ROOT / word).exists()] == []


@in_turn("paper", PAPERS, str)
def test_the_links_of_a_page_lead_somewhere(paper: Path) -> None:
    for target, anchor in _LINK.findall(paper.read_text()):
        there = paper.parent / target if target else paper
        assert there.exists(), target
        assert not anchor or anchor in headings(there), f"{target}#{anchor}"
