"""Signs of a stale address in the pages of a visit: their titles, and whether the page is gone. Pure.

A page that says "no slots" for ever is no proof that anybody books there: its title must at least fit the desk's label
(api/models/watchability.py).
"""

import re
from dataclasses import dataclass, field

from crawler.bounds import clean_text
from crawler.parsing.html_text import rendered_text, title
from crawler.reading import GONE, Page

LONGEST_TITLE = 300
_HEADINGS = "//h1 | //h2 | //legend"
# What a domain shows that has been given up; texts are folded.
_PARKED = re.compile(
    r"\b(?:domaine?(?: name)?|website|site) (?:is |est )?(?:for sale|parked|a vendre|expire)|buy this domain"
    r"|acheter ce (?:nom de )?domaine|(?:sedoparking|parkingcrew|bodis)\b"
)
_SHORT = 3000  # characters of such a page, at most


@dataclass(slots=True)
class AddressSigns:
    """Titles of a visit's pages, in their order; `gone`: the first page is gone, or its domain is parked."""

    titles: dict[str, None] = field(default_factory=dict)
    gone: bool | None = None

    def add(self, page: Page) -> None:
        """Add the next page of the visit."""
        if self.gone is None:
            self.gone = page.status in GONE or _is_parked(page)
        if page.is_html and not page.is_error:
            headings = map(rendered_text, page.root.xpath(_HEADINGS))
            self.titles |= dict.fromkeys(filter(None, (title(page.root), *headings)))

    @property
    def title(self) -> str | None:
        """Return the titles in one line; None without any."""
        return clean_text(" · ".join(self.titles), LONGEST_TITLE) or None


def _is_parked(page: Page) -> bool:
    return page.is_html and len(page.shown) < _SHORT and _PARKED.search(page.folded) is not None
