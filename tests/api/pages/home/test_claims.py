"""What is watched changes each day: no text that people read names its number, only queries do."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.in_turn import in_turn

_ROOT = Path(__file__).parents[4]
_READ = ("README.md", "docs/concepts.md", "api/pages/**/*.html", "api/pages/**/*.po", "api/pages/**/*.md",
         "api/pages/**/*.webmanifest", "api/templates/**/*.html", "api/billing/terms/*/*.md", "notifier/templates/**/*.*",
         "notifier/content/*.yaml")  # fmt: skip
_WATCHED = (
    r"préfect|prefe[ck]?t|prefeit|préf|präfekt|départem|departam|departm|département|guichet|desk|schalter|ventanill|balc[ãõ]"
    r"|guich|page|seite|página|префект|департам|окош|страниц|محافظ|مقاطع|شباك|صفح|省|窗口|页面|प्रीफ़ेक्चर|विभाग|काउंटर"
)
# A number, and soon after it what is watched; Arabic has one with its article, too.
_NUMBER = r"(?<![\w%{.,:€-])(?:\d{2,}|cent une?)\s*(?:\w+\s+|个){0,2}?"
_CLAIM = re.compile(rf"{_NUMBER}(?:{_WATCHED})|\b\u0627\u0644\u0640?\d{{2,}}", re.IGNORECASE)
# Fair use, and the plan's own: numbers of one account.
_OF_AN_ACCOUNT = {"10 préfect"}


def list_texts() -> Iterator[Path]:
    for pattern in _READ:
        yield from _ROOT.glob(pattern)


def find_claims(text: str) -> set[str]:
    return {found[0] for found in _CLAIM.finditer(re.sub(r'"\n"', "", text))} - _OF_AN_ACCOUNT


def test_no_text_names_how_much_is_watched() -> None:
    texts = list(list_texts())
    assert len(texts) > 200, "all are looked at"
    found = {str(each.relative_to(_ROOT)): find_claims(each.read_text("utf-8")) for each in texts}
    assert {name: claims for name, claims in found.items() if claims} == {}


@in_turn("claim", [
        "les pages des 101 préfectures", "the 101 French prefectures", "101 départements", "32 guichets surveillés",
        "cent une préfectures", "nos 226 pages", "101 префектура", "101 محافظة", "101 个省",
        "\u0627\u0644\u0640101",
    ])  # fmt: skip
def test_a_claim_is_seen(claim: str) -> None:
    assert find_claims(claim)
