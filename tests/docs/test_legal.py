"""docs/legal.md names each article that a test looks for in the terms of sale."""

import re
from pathlib import Path

from tests.api.billing.test_terms import IN_EVERY_VERSION, SINCE_THE_ONLINE_FUNCTION

PAGE = Path(__file__).parents[2] / "docs" / "legal.md"
_ARTICLE = re.compile(r"[LRD]\.\d+(?:-\d+)+")
_RANGE = re.compile(r"([LRD]\.[\d-]*?)(\d+) to -(\d+)")


def name_articles(text: str) -> set[str]:
    """Return the articles that a text names, those of a range such as `L.221-18 to -20` too."""
    ranges = (
        f"{stem}{number}"
        for stem, first, last in _RANGE.findall(text)
        for number in range(int(first), int(last) + 1)
    )
    return {*_ARTICLE.findall(text), *ranges}


def test_each_article_of_the_terms_is_on_the_page() -> None:
    looked_for = name_articles(" ".join((*IN_EVERY_VERSION, *SINCE_THE_ONLINE_FUNCTION)))
    assert {"L.221-19", "L.224-25-26", "R.221-1"} <= looked_for
    assert looked_for - name_articles(PAGE.read_text()) == set()
