"""`scrapy titles DESK…`: title and department of the landing pages of desks without a label, before any captcha.

A public program names a number of rdvpref and not what it is for. Its landing page says so in plain HTML. Desks are
read that an operator's file lists, one a minute; a number that no file lists is never asked, nor is a host that is
stopped or rests, of which the database knows.
"""

import asyncio
from argparse import Namespace
from collections.abc import Iterable

from configs.ground.clock import clock
from configs.ground.database import database_url
from configs.ground.formatting import truncate_line
from configs.world.desk import Desk
from configs.world.prefecture import desks, prefectures
from crawler.block_pages import detect_block_page
from crawler.catalogue import check_catalogue
from crawler.cli.command_base import OperatorCommand
from crawler.fetching.errors import FetchError
from crawler.fetching.session import BudgetExhausted
from crawler.hosts import kill_switch
from crawler.parsing.html_text import contains_phrase, title, visible_text
from crawler.platform_detection.draft import UNNAMED, procedures
from crawler.platform_detection.page_fetcher import PageFetcher
from crawler.reading import Page

_PAUSE = 60.0  # seconds between two pages
_AT_ONCE = 10  # desks of one command
_LONGEST = 300  # characters of a title
_NO_PAGE = {404, 410}


class Command(OperatorCommand):
    """Prints a line for each desk; a page that does not let us in ends the command."""

    requires_project = True
    SYNTAX = "[DESK …]"
    SHORT = "Read titles and departments of listed rdvpref desks without a label, one a minute"
    WITHOUT_DATABASE = "nothing is asked"

    def carry_out(self, args: list[str], opts: Namespace) -> None:  # noqa: ARG002 -- Scrapy passes them
        """Read the desks named, or without any the first ten that have no label."""
        check_catalogue()
        unnamed = {desk.id: desk for desk in desks().values() if _has_no_label(desk)}
        if wrong := next((name for name in args if name not in unnamed), None):
            raise self.make_exit(f"{wrong!r} is no desk of rdvpref that is checked and has no label")
        chosen = [unnamed[name] for name in args] or list(unnamed.values())
        if len(args) > _AT_ONCE:
            raise self.make_exit(f"{len(args)} desks: name {_AT_ONCE} at most")
        database_url()
        try:
            asyncio.run(_read_all(chosen[:_AT_ONCE]))
        except (FetchError, BudgetExhausted) as trouble:
            raise self.make_exit(f"stopped: {trouble}") from None
        if (left := len(chosen) - _AT_ONCE) > 0:
            print(f"{left} more: name them")


def _has_no_label(desk: Desk) -> bool:
    return desk.platform == "rdvpref" and desk.schedulable and desk.label.startswith(UNNAMED)


async def _read_all(chosen: Iterable[Desk]) -> None:
    async with PageFetcher(redirects=False) as fetcher:
        for number, desk in enumerate(chosen):
            if number:
                await asyncio.sleep(_PAUSE)
            if why := kill_switch.find_reason_to_wait(desk, clock()):  # an order may come in a pause
                raise SystemExit(f"scrapy titles: stopped at {desk.id}: {why}")
            page = await fetcher.open(desk.url)
            if wall := detect_block_page(page):
                raise SystemExit(f"scrapy titles: stopped at {desk.id}: {wall.reason}")
            if page.is_error and page.status not in _NO_PAGE:
                raise SystemExit(f"scrapy titles: stopped at {desk.id}: HTTP {page.status}")
            print(f"{desk.id}: {_describe(page)}", flush=True)


def _describe(page: Page) -> str:
    """Return the page's title and headings, what they are for, and the departments that the page names."""
    if page.is_error:
        return f"HTTP {page.status}"
    headings = [visible_text(each) for each in page.root.xpath("//*[self::h1 or self::h2]")[:10]]
    said = truncate_line(" | ".join(each for each in (title(page.root), *headings) if each), _LONGEST)
    places = [each.id for each in prefectures().values() if contains_phrase(page.shown, each.name)]
    return f"{said!r} {' '.join(sorted(procedures(said)))} {' '.join(places) or 'names no department'}"
