"""WCAG 2.2 AA by axe-core, on the whole of a page: https://github.com/dequelabs/axe-core/blob/develop/doc/API.md."""

import json
from dataclasses import dataclass
from functools import cache

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
# What passes is not gathered, and no style sheet is fetched again: no rule of these tags asks for them.
_OPTIONS = {
    "runOnly": {"type": "tag", "values": list(TAGS)},
    "resultTypes": ["violations"],
    "reporter": "no-passes",
    "preload": False,
}
_RUN = f"axe.run({json.dumps(_OPTIONS)}).then((found) => found.violations)"
_LONGEST = 300  # characters of an element's HTML


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that an element of a page breaks."""

    rule: str
    help: str
    selector: str
    html: str

    def __str__(self) -> str:
        return f"{self.rule} ({self.help}): {self.selector}\n    {self.html}"


def list_violations(page: Page) -> list[Violation]:
    """Return what axe-core finds on a page. The page must have scripts: without them axe never answers."""
    page.evaluate(_read_script())
    return [
        Violation(rule["id"], rule["help"], " ".join(map(str, node["target"])), node["html"][:_LONGEST])
        for rule in page.evaluate(_RUN)
        for node in rule["nodes"]
    ]


@cache
def _read_script() -> str:
    script: str = Axe().axe_script
    return script
