"""Looks for desks from one page on: follows what looks like booking, a few pages far, and names their platforms."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import NamedTuple

from configs.clock import clock
from configs.prefecture import desks
from crawler.detecting.draft import called
from crawler.detecting.links import leads
from crawler.detecting.opener import Opener
from crawler.detecting.recognition import PARIS, Sign, around, by_address, by_shape, recognised
from crawler.fetching.allowance import Spent
from crawler.fetching.failures import NoPage
from crawler.platforms import example, offers_nothing, platform
from crawler.reading import Page
from crawler.walls import wall

_DEEPEST = 2  # links away from the page that was named
_ERROR = 400
_PAGES = 8
_MOST = 10  # desks: a longer list is one for a person to choose from

Tell = Callable[[str], None]


class Found(NamedTuple):
    """A desk that was found: what tells its platform, its address, what it is called; why its page did not come."""

    sign: Sign
    url: str
    label: str
    trouble: NoPage | None = None


@dataclass
class Findings:
    """What a look brought: desks, the pages that were seen, and what kept others from being seen."""

    found: list[Found] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def add(self, found: Iterable[Found]) -> None:
        """Take desks, each only once."""
        known = [(each.url, each.sign.parameters) for each in self.found]
        self.found += [each for each in found if (each.url, each.sign.parameters) not in known]


class _Step(NamedTuple):
    """One address to open: how far it is from the first page, how sure, its place there; the page that embeds it."""

    rank: tuple[int, int, int]
    url: str
    text: str = ""
    outer: str = ""

    @property
    def depth(self) -> int:
        return self.rank[0]


async def look(opener: Opener, start: str, tell: Tell) -> Findings:
    """Open a page and, where it is no desk itself, what it leads to; `tell` is told of each address.

    Raises nothing of the network's: what cannot be opened stands in the findings' `troubles`.
    """
    findings, queue, known = Findings(), [_Step((0, 0, 0), start)], {start}
    while queue and len(findings.found) < _MOST and len(findings.pages) < _PAGES:
        step = heappop(queue)
        tell(step.url)
        try:
            found = await _seen(opener, step, findings)
        except NoPage as trouble:
            findings.troubles.append(f"{trouble.outcome.upper()}: {trouble.reason}")
            continue
        except Spent:
            findings.troubles.append(f"{step.url}: not opened: no request is left, see --requests")
            break
        findings.add(found)
        if found and (step.url == start or step.outer):  # what was named is a desk, or embeds one
            break
        for following in _following(findings, step):
            if following.url not in known:
                known.add(following.url)
                heappush(queue, following)
    return findings


def told_by(page: Page) -> list[Found]:
    """Return the desks that a page tells of by itself: its own, or those that it links to by their address."""
    if sign := recognised(page) or _by_shape(page):
        return _each(Found(sign, sign.url or page.url, called(page)), page)
    links = [(by_address(lead.url), lead) for lead in leads(page)]
    return [Found(sign, sign.url or lead.url, lead.text) for sign, lead in links if sign][:_MOST]


async def _seen(opener: Opener, step: _Step, findings: Findings) -> list[Found]:
    """Return the desks of one address; a link's is known by itself, a frame's has to be opened."""
    if known := _in_service(step.url):
        return [known]
    sign = by_address(step.url)
    if sign and step.depth and not step.outer:
        return await _offered(opener, Found(sign, sign.url or step.url, step.text))
    try:
        page = await opener.open(step.url)
    except NoPage as trouble:
        if not sign:
            raise
        return [Found(sign, sign.url or step.url, step.text, trouble)]
    findings.pages.append(page)
    if not (sign := recognised(page) or _by_shape(page)):
        return []
    found = await _offered(opener, Found(sign, sign.url or page.url, step.text or called(page)))
    return [_embedded(step.outer, each) for each in found] if step.outer else found


def _in_service(url: str) -> Found | None:
    """Return the desk that an address is already; None where it is none, or that of many."""
    there = [desk for desk in desks().values() if desk.url.rstrip("/") == url.rstrip("/")]
    if len(there) != 1:
        return None
    (desk,) = there
    return Found(
        Sign(desk.platform, f"it is the desk {desk.id}", desk.url, desk.parameters), desk.url, desk.label
    )


def _by_shape(page: Page) -> Sign | None:
    signs = by_shape(page)
    return signs[0] if len(signs) == 1 else None


def _embedded(outer: str, inner: Found) -> Found:
    sign = around(outer, inner.sign, f"it embeds {inner.url}")
    return inner._replace(sign=sign, url=sign.url or inner.url)


async def _offered(opener: Opener, found: Found) -> list[Found]:
    """Ask what a desk's page offers, where its address does not say that and the platform can be asked."""
    reader = platform(found.sign.platform)
    if found.sign.complete or reader.offers is offers_nothing:
        return [found]
    session = await opener.session(found.url)
    seen = example(reader, clock().date(), PARIS, found.url)
    try:
        page = await session.fetch(reader.first(seen), seen, reader.forbidden)
    except NoPage:
        return [found]
    finally:
        await opener.left(found.url, session)
    return _each(found, page)


def _each(found: Found, page: Page) -> list[Found]:
    """Return a desk for each thing that an answer of its platform offers; itself where that tells nothing."""
    offers = {} if found.sign.complete else platform(found.sign.platform).offers(page)
    named = [
        found._replace(sign=replace(found.sign, parameters={**found.sign.parameters, **more}), label=label)
        for label, more in offers.items()
    ]
    return named[:_MOST] or [found]


def _following(findings: Findings, step: _Step) -> list[_Step]:
    """Return where the page that was just opened leads, unless it is a desk, a wall, or far enough."""
    page = findings.pages[-1] if findings.pages else None
    if not page or page.ask.url != step.url or page.status >= _ERROR or step.depth >= _DEEPEST or wall(page):
        return []
    return [
        _Step((step.depth + 1, lead.rank, place), lead.url, lead.text, page.url if lead.frame else "")
        for place, lead in enumerate(leads(page))
    ]
