"""`scrapy detect URL`: which platform a page belongs to, and its desk's YAML, ready to be read and put in service."""

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from scrapy import Spider
from scrapy.commands import ScrapyCommand
from scrapy.crawler import Crawler
from scrapy.exceptions import UsageError
from scrapy.settings import Settings

from configs.ground.addresses import host_of
from configs.ground.text import truncate_line
from configs.world.prefecture import desks
from crawler.block_pages import detect_block_page
from crawler.catalogue import WrongArgument
from crawler.commands import OperatorCommand
from crawler.discovery.draft import DeskDraft, name_page
from crawler.discovery.identify import by_address, identify_page, own_addresses, page_of
from crawler.discovery.links import BOOKING, find_links
from crawler.fetching.errors import FetchError
from crawler.fetching.identity import Identities
from crawler.fetching.request_budget import BudgetExhausted, RequestBudget
from crawler.fetching.session import Session
from crawler.fetching.ssrf_guard import OutsideHandler, refuse_inside, refuse_private
from crawler.platforms import at_home, platforms
from crawler.reading import Outcome, Page
from crawler.scheduling.due_queue import http_deadline_seconds
from crawler.settings import DOWNLOAD_MAXSIZE
from crawler.url_policy import AddressRefused

_USER_ERRORS: tuple[type[Exception], ...] = (*OperatorCommand.ERRORS, AddressRefused)
_MOST = 10  # desks, and links of an unknown page
_MOST_REQUESTS = 6  # redirects counted: a host's budget for a minute
_LONGEST = 300  # characters of an address or a reason


class Command(OperatorCommand, ScrapyCommand):
    """Prints desks as YAML entries with comments; what it waits for meanwhile goes to standard error."""

    SYNTAX = "URL | [URL] --file SAVED"
    SHORT = "Name the platform of a booking page, and its desk's YAML"

    def add_options(self, parser: ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--file", type=Path, help="read this saved page instead; nothing is asked")

    def carry_out(self, args: list[str], opts: Namespace) -> None:
        """Print what was found; exit with 0 where a platform was named, 1 where none was, 2 for wrong arguments."""
        if len(args) > 1 or not (args or opts.file) or any(arg.startswith("-") for arg in args):
            raise UsageError(f"expected URL, or --file SAVED, not {' '.join(args) or 'nothing'}")
        try:
            if opts.file:
                page = _read_file(opts.file, args[0] if args else None)
                drafts, seen = _drafts(page), _describe_page(page)
            else:
                refuse_private(args[0])
                drafts, seen = asyncio.run(_inspect_address(args[0]))
        except _USER_ERRORS as error:
            raise UsageError(str(error), print_help=False) from error
        print(_format(drafts, seen), end="")
        self.exitcode = 0 if drafts else 1


async def fetch_page(url: str) -> Page:
    """Return the page of an address; redirects are followed to any public address, in _MOST_REQUESTS at most.

    Raises:
        crawler.fetching.errors.FetchError: there is none; it says why.
    """
    chosen = Settings()
    chosen.setmodule("crawler.settings")
    pages = OutsideHandler(Crawler(Spider, chosen))
    blank = page_of(url, b"")
    session = Session(
        pages.download_request,
        deadline=http_deadline_seconds(),
        largest=DOWNLOAD_MAXSIZE,
        budget=RequestBudget(_MOST_REQUESTS),
        identities=Identities(()),
        host=host_of(url),
        stays=lambda _here, _there: True,
    )
    try:
        return await session.fetch(blank.ask, blank.visit, takes_a_slot)
    except BudgetExhausted:
        raise FetchError(Outcome.UNREACHABLE, "no request is left") from None
    finally:
        await pages.close()


def takes_a_slot(url: str, method: str) -> bool:
    """Tell whether the address's platform forbids this request, because it would take a slot."""
    return any(
        each.is_forbidden(url, method)
        for each in platforms().values()
        if at_home(each, url) or (each.ADDRESS and each.ADDRESS.match(url))
    )


async def _inspect_address(url: str) -> tuple[list[DeskDraft], list[str]]:
    """Return the desks at an address and what was seen there."""
    try:
        page = await fetch_page(url)
    except FetchError as trouble:
        sign = by_address(url)
        known = [DeskDraft(sign, sign.url or url, "", url)] if sign else []
        return known, [f"seen: {url}", str(trouble)]
    return _drafts(page), _describe_page(page)


def _drafts(page: Page) -> list[DeskDraft]:
    """Return a draft of the page's own desk, or of each desk whose address it embeds or links."""
    if sign := identify_page(page):
        url = sign.url or page.url
        return [] if _is_inside(url) else [DeskDraft(sign, url, _label(page), page.url)]
    found: dict[str, DeskDraft] = {}
    for link in find_links(page):
        if (sign := by_address(link.url)) and not _is_inside(url := sign.url or link.url):
            found.setdefault(url, DeskDraft(sign, url, link.text or _label(page), page.url))
    return list(found.values())[:_MOST]


def _label(page: Page) -> str:
    """Return a page's name; none for an error page or a block page, whose words name no procedure."""
    return "" if page.is_error or detect_block_page(page) else name_page(page)


def _is_inside(url: str) -> bool:
    try:
        refuse_inside(url)
    except AddressRefused:
        return True
    return False


def _read_file(path: Path, url: str | None) -> Page:
    """Read a saved page; its address is the one given, or the one that it gives itself.

    Raises:
        WrongArgument: it is missing, or no text.
        AddressRefused: the address is none.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise WrongArgument(f"cannot read {path}: {error.strerror}: check the path") from error
    if b"\0" in body or not body.strip():
        raise WrongArgument(f"{path} is no text: save the page as HTML")
    here = path.absolute().as_uri()
    named = (trace for trace in own_addresses(page_of(here, body)) if trace.startswith("http"))
    return page_of(url or next(named, here), body)


def _describe_page(page: Page) -> list[str]:
    """Return what a page is, for one whose platform is unknown: its answer, and its links about booking."""
    seen = f"seen: {page.url}: HTTP {page.status}, {len(page.body)} bytes"
    if wall := detect_block_page(page):
        return [seen, f"{(wall.outcome or 'unreadable').upper()}: {wall.reason}"]
    links = (
        each for each in find_links(page) if by_address(each.url) or BOOKING.search(f"{each.text} {each.url}")
    )
    return [seen, *(f"could be booking: {each.url} {each.text!r}" for each in islice(links, _MOST))]


_ADVICE = (
    "what to do: name the booking page itself, or save it in a browser and say: scrapy detect URL --file SAVED",
    "a page of no known software: rules for it in its desk's YAML (docs/platforms/selectors.md)",
)


def _format(drafts: Sequence[DeskDraft], seen: Sequence[str]) -> str:
    """Return the drafts, each after its evidence, then what was seen."""
    if not drafts:
        return _comment("platform unknown", *seen, *_ADVICE)
    shown: list[str] = []
    taken: list[str] = []
    for draft in drafts:
        known = (each.id for each in desks().values() if each.url == draft.url)
        already = [
            f"it is already the desk {each}: copy nothing, unless this is a second one" for each in known
        ]
        head = _comment(f"{draft.sign.platform}: {draft.url}", f"because {draft.sign.evidence}", *already)
        shown.append(head + draft.block(taken))
        taken.append(draft.entry(taken)["slug"])
    return "\n".join([*shown, _comment(*seen)])


def _comment(*lines: str) -> str:
    return "".join(f"# {truncate_line(each, _LONGEST)}\n" for each in lines)
