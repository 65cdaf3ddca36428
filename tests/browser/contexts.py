"""Browser contexts of tests: how one is asked for, and what is kept of its pages where a test fails."""

import re
from pathlib import Path
from typing import Protocol

from playwright.sync_api import BrowserContext, Page

_KEPT = Path(__file__).parents[2] / ".state" / "browser"


class MakeContext(Protocol):
    """Makes a browser context that is watched; pages of `url` need no address before their path."""

    def __call__(
        self,
        url: str,
        *,
        language: str = "fr",
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        javascript: bool = True,
    ) -> BrowserContext: ...


def keep_page(page: Page, name: str) -> Path:
    """Write picture and HTML of a page to .state/browser; return the picture's path."""
    _KEPT.mkdir(parents=True, exist_ok=True)
    file = _KEPT / re.sub(r"[^\w-]+", "_", name)
    file.with_suffix(".html").write_text(page.content(), "utf-8")
    page.screenshot(path=file.with_suffix(".png"), full_page=True)
    return file.with_suffix(".png")
