"""The brand's colour is defined in one file, and none of our files has the State's look."""

import re
from pathlib import Path

from configs.ground.brand import SHADES

ROOT = Path(__file__).parents[3]
PRODUCT = (
    "api",
    "configs",
    "crawler",
    "docs",
    "notifier",
)  # stand-ins of the sandbox have a look of their own
TOKENS = "api/pages/static/tokens.css"
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


def test_the_brands_colour_and_its_shades_stand_in_one_file() -> None:
    assert all(re.fullmatch(r"#[0-9a-f]{6}", each) for each in SHADES.values())
    shade = re.compile("|".join(SHADES.values()), re.IGNORECASE)
    found = list_texts(*PRODUCT)
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in found}
    # The pages' colour of errors is one of its own, and stays red whatever the brand is.
    texts[TOKENS] = texts[TOKENS].replace("--bad: #b0000c;", "")
    assert [name for name, text in texts.items() if shade.search(text)] == ["configs/ground/brand.py"]


def test_what_people_see_has_no_file_typeface_or_colour_of_the_state() -> None:
    looks = [path for path in list_texts("api", "notifier") if path.suffix in TEXTS - {".md", ".po", ".json"}]
    assert len(looks) > 100
    assert [path.name for path in looks if STATE.search(path.read_text(encoding="utf-8"))] == []
