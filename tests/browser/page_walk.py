"""A walk over all pages in one browser, as a visitor or as the user of the content: what is wrong with each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.browser.content import EMAIL, Content
from tests.browser.contexts import MakeContext, keep_page
from tests.browser.page_list import SamplePage, list_pages
from tests.browser.site import Site
from tests.browser.watch import Watch

Check = Callable[[Page], None]  # raises AssertionError


@dataclass(frozen=True, slots=True)
class PageWalk:
    """Who walks, and in which kind of browser."""

    site: Site
    content: Content
    make_context: MakeContext
    watch: Watch
    language: str = "fr"
    most: int | None = None  # samples of each page; None: all

    def list_problems(self, check: Check, *, personal: bool, **kind: Any) -> list[str]:
        """Open each page of a visitor, or of a user, and return what is wrong; pictures of such pages are kept."""
        page = self.open_browser(personal=personal, **kind).new_page()
        found: list[str] = []
        for each in self.list_pages(personal=personal):
            found += self._visit(page, each, check)
        return found

    def list_pages(self, *, personal: bool) -> list[SamplePage]:
        """Return the pages of a visitor or of a user."""
        pages = [
            each
            for each in list_pages(self.site.app, self.content, self.most)
            if each.is_personal is personal
        ]
        assert len(pages) > 15
        return pages

    def open_browser(self, *, personal: bool, **kind: Any) -> BrowserContext:
        """Return a browser of a visitor, or of the content's user."""
        context = self.make_context(self.site.url, language=self.language, **kind)
        if personal:
            self.site.sign_in(context, EMAIL)
        return context

    def _visit(self, page: Page, sample: SamplePage, check: Check) -> list[str]:
        response = page.goto(sample.path)
        found = [] if response and response.status == 200 else [f"{sample.path} is not answered by 200"]
        try:
            check(page)
        except AssertionError as error:
            found.append(f"{sample.path}: {error}")
        found += self.watch.list_problems()
        if found:
            keep_page(page, f"{self.language} {sample.endpoint}")
        return found
