"""A walk over all pages in one browser, as a visitor, or as the user or the operator of the content."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.browser.content import EMAIL, Content
from tests.browser.contexts import MakeContext, keep_page
from tests.browser.page_list import Reader, SamplePage, list_pages
from tests.browser.site import Site
from tests.browser.watch import Watch

Check = Callable[[Page], None]  # raises AssertionError
_FEWEST = {Reader.VISITOR: 15, Reader.USER: 15, Reader.OPERATOR: 12}  # pages


@dataclass(frozen=True, slots=True)
class PageWalk:
    """Who walks, and in which kind of browser."""

    site: Site
    content: Content
    make_context: MakeContext
    watch: Watch
    language: str = "fr"

    def list_problems(self, check: Check, reader: Reader, **kind: Any) -> list[str]:
        """Open each page of a reader, and return what is wrong; pictures of such pages are kept."""
        page = self.open_browser(reader, **kind).new_page()
        found: list[str] = []
        for each in self.list_pages(reader):
            found += self._visit(page, each, check)
        return found

    def list_pages(self, reader: Reader) -> list[SamplePage]:
        """Return the pages of a reader."""
        pages = [each for each in list_pages(self.site.app, self.content) if each.reader is reader]
        assert len(pages) > _FEWEST[reader]
        return pages

    def open_browser(self, reader: Reader, **kind: Any) -> BrowserContext:
        """Return a browser of a visitor, or of the content's user or operator."""
        context = self.make_context(self.site.url, language=self.language, **kind)
        if reader is Reader.USER:
            self.site.sign_in(context, EMAIL)
        elif reader is Reader.OPERATOR:
            self.site.give_login(context, self.content.operator)
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
