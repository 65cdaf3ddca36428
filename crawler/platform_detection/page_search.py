"""Search for desks from one page on: follows booking links over a few pages and identifies their platforms."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from configs.desk import Procedure
from configs.prefecture import desks
from crawler.block_pages import detect_block_page
from crawler.fetching.errors import FetchError
from crawler.fetching.request_budget import BudgetExhausted
from crawler.fetching.ssrf_guard import refuse_inside
from crawler.parsing.error_pages import error_page
from crawler.platform_detection.booking_links import find_leads
from crawler.platform_detection.desk_candidate import (
    MOST,
    DeskCandidate,
    from_posted_bodies,
    is_heard_only,
    read_from,
)
from crawler.platform_detection.draft import name_page, procedures
from crawler.platform_detection.id_lookup import look_up_ids, wrap_desk
from crawler.platform_detection.identify import PlatformMatch, by_address, by_shape, identify_page
from crawler.platform_detection.page_fetcher import PageFetcher
from crawler.reading import Page
from crawler.url_policy import AddressRefused

_DEEPEST = 2  # links away from the first page
_PAGES = 8

Tell = Callable[[str], None]


@dataclass
class Findings:
    """The result of a search: desks, the opened pages, and the errors of other pages."""

    found: list[DeskCandidate] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def add(self, found: Iterable[DeskCandidate]) -> None:
        """Add desks, each once."""
        known = [(each.url, each.sign.parameters) for each in self.found]
        self.found += [each for each in found if (each.url, each.sign.parameters) not in known]


class _Step(NamedTuple):
    """One address to open."""

    rank: tuple[int, int, int]  # distance from the first page, the lead's rank, its place in the page
    url: str
    text: str = ""
    outer: str = ""  # the page that embeds it

    @property
    def depth(self) -> int:
        return self.rank[0]


async def search_desks(
    opener: PageFetcher, start: str, tell: Tell, department: str | None = None
) -> Findings:
    """Open a page and, if it is no desk itself, its leads; `tell` is called with each address that is opened.

    `department`: the desks' department code, if known. Network errors are not raised: they are in the findings'
    `troubles`.
    """
    findings, queue, known = Findings(), [_Step((0, 0, 0), start)], {start}
    while queue and len(findings.found) < MOST and len(findings.pages) < _PAGES:
        step = heappop(queue)
        try:
            found = await _open_step(opener, step, findings, tell, department)
        except FetchError as trouble:
            findings.troubles.append(f"{trouble.outcome.upper()}: {trouble.reason}")
            continue
        except BudgetExhausted:
            findings.troubles.append(f"{step.url}: not opened: no request is left, see --requests")
            break
        findings.add(found)
        if found and (step.url == start or step.outer):  # the named page is a desk, or embeds one
            break
        for following in _following(findings, step):
            if following.url not in known:
                known.add(following.url)
                heappush(queue, following)
    return findings


def find_desks(page: Page) -> list[DeskCandidate]:
    """Return the desks of a page without further requests: its own, or those whose addresses it links."""
    sign = identify_page(page) or _by_shape(page)
    if sign and not _inside(sign.url or page.url):
        return read_from(DeskCandidate(sign, sign.url or page.url, _label(page)), page)
    links = [(by_address(lead.url), lead) for lead in find_leads(page) if not _inside(lead.url)]
    return [DeskCandidate(sign, sign.url or lead.url, lead.text) for sign, lead in links if sign][:MOST]


def _inside(url: str) -> bool:
    try:
        refuse_inside(url)
    except AddressRefused:
        return True
    return False


async def _open_step(
    opener: PageFetcher, step: _Step, findings: Findings, tell: Tell, department: str | None
) -> list[DeskCandidate]:
    """Return the desks of one address. A listed desk and a link need no page; a frame is opened.

    A desk whose ids only its page's scripts post is opened, too, if there is a browser.
    """
    known = _in_service(step.url) or _match_link(step)
    desks = await look_up_ids(opener, known, department) if known else []
    if desks and not (opener.hears and is_heard_only(desks[0])):
        return desks
    tell(step.url)
    try:
        page = await opener.open(step.url)
    except FetchError as trouble:
        return desks or _match_unopened(step, trouble)
    findings.pages.append(page)
    if not (desk := desks[0] if desks else _match_page(page, step)):
        return []
    found = await look_up_ids(opener, from_posted_bodies(desk, opener.posted), department)
    if not step.outer:
        return found
    return [wrap_desk(step.outer, each, f"it embeds {each.url}") for each in found]


def _match_link(step: _Step) -> DeskCandidate | None:
    """Return the desk of a link by its address."""
    sign = by_address(step.url) if step.depth and not step.outer else None
    return DeskCandidate(sign, sign.url or step.url, step.text) if sign else None


def _match_unopened(step: _Step, trouble: FetchError) -> list[DeskCandidate]:
    """Return the desk of an address whose page failed; raise the failure if the address is no platform's."""
    if not (sign := by_address(step.url)):
        raise trouble
    return [DeskCandidate(sign, sign.url or step.url, step.text, trouble)]


def _match_page(page: Page, step: _Step) -> DeskCandidate | None:
    """Return the desk of a page; None if its platform is unknown."""
    sign = identify_page(page) or _by_shape(page)
    return DeskCandidate(sign, sign.url or page.url, step.text or _label(page)) if sign else None


def _label(page: Page) -> str:
    """Return a page's label; for an error page or a block page only if it names a procedure."""
    label = name_page(page)
    own = not (page.is_error or detect_block_page(page) or error_page(page))
    return label if own or procedures(label) != {Procedure.AUTRE} else ""


def _in_service(url: str) -> DeskCandidate | None:
    """Return the desk that has this address already; None if none or several have it."""
    there = [desk for desk in desks().values() if desk.url.rstrip("/") == url.rstrip("/")]
    if len(there) != 1:
        return None
    (desk,) = there
    return DeskCandidate(
        PlatformMatch(desk.platform, f"it is the desk {desk.id}", desk.url, desk.parameters),
        desk.url,
        desk.label,
    )


def _by_shape(page: Page) -> PlatformMatch | None:
    signs = by_shape(page)
    return signs[0] if len(signs) == 1 else None


def _following(findings: Findings, step: _Step) -> list[_Step]:
    """Return the leads of the page just opened; none for an error, a block page, or at the greatest depth."""
    page = findings.pages[-1] if findings.pages else None
    if (
        not page
        or page.ask.url != step.url
        or page.is_error
        or step.depth >= _DEEPEST
        or detect_block_page(page)
    ):
        return []
    return [
        _Step((step.depth + 1, lead.rank, place), lead.url, lead.text, page.url if lead.frame else "")
        for place, lead in enumerate(find_leads(page))
    ]
