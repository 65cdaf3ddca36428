"""The brand's colour stands in one file, and nothing of ours has the State's look."""

import re
from pathlib import Path

from configs.brand import BRAND

ROOT = Path(__file__).parents[2]
OURS = ("api", "configs", "crawler", "deploy", "docs", "notifier", "tests")
TEXTS = {
    ".css",
    ".html",
    ".jinja",
    ".js",
    ".json",
    ".md",
    ".po",
    ".py",
    ".svg",
    ".txt",
    ".webmanifest",
    ".yaml",
}
# The design system of the State, its typeface and its blue: none may be used by a private service.
STATE = re.compile(r"dsfr|marianne[^ -]|#000091", re.IGNORECASE)


def list_texts(*folders: str) -> list[Path]:
    return [path for each in folders for path in (ROOT / each).rglob("*") if path.suffix in TEXTS]


def test_the_brands_colour_stands_in_one_file() -> None:
    assert re.fullmatch(r"#[0-9a-f]{6}", BRAND)
    holding = [path for path in list_texts(*OURS) if BRAND in path.read_text(encoding="utf-8").lower()]
    assert [str(path.relative_to(ROOT)) for path in holding] == ["configs/brand.py"]


def test_what_people_see_has_no_file_typeface_or_colour_of_the_state() -> None:
    looks = [path for path in list_texts("api", "notifier") if path.suffix in TEXTS - {".md", ".po", ".json"}]
    assert len(looks) > 100
    assert [path.name for path in looks if STATE.search(path.read_text(encoding="utf-8"))] == []
