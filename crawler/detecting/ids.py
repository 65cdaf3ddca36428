"""Asks a platform for the ids of the desks that it offers at an address: one request after the other, as few as do."""

from collections import deque

from configs.clock import clock
from crawler.detecting.found import MOST, Found, addressed, chosen, next_ask
from crawler.detecting.lookups import Choice, Step
from crawler.detecting.opener import Opener
from crawler.detecting.recognition import PARIS, Sign, around
from crawler.fetching.allowance import Spent
from crawler.fetching.failures import NoPage, no_page
from crawler.fetching.outside import refuse_inside
from crawler.reading import Ask, Page, Visit
from crawler.sites import AddressRefused
from crawler.walls import wall


async def with_ids(opener: Opener, found: Found, department: str | None = None) -> list[Found]:
    """Return a desk for each thing that is offered at an address, ten at most, with the ids that its platform tells.

    What is not told is left as it is, with the reason among its remarks. Of a page that embeds another platform's,
    that one is asked.

    Raises:
        crawler.fetching.failures.NoPage: its address lies in a private network, where no desk is.
    """
    try:
        refuse_inside(found.url)
    except AddressRefused as refusal:
        raise no_page(refusal, found.url) from refusal
    if not found.sign.frame:
        return await _told(opener, addressed(found), department)
    named = found.sign.parameters
    inner = Sign(named["platform"], found.sign.evidence, found.sign.frame, named["parameters"])
    desks = await with_ids(opener, found._replace(sign=inner, url=found.sign.frame), department)
    return [embedded(found.url, each, found.sign.evidence) for each in desks]


def embedded(outer: str, inner: Found, evidence: str) -> Found:
    """Return the desk that a page is, which embeds that of another platform."""
    sign = around(outer, inner.sign, evidence)
    return inner._replace(sign=sign, url=sign.url or inner.url)


async def _told(opener: Opener, found: Found, department: str | None) -> list[Found]:
    whole, waiting = list[Found](), deque([found])
    while waiting and len(whole) < MOST:
        desk = waiting.popleft()
        if not (asking := next_ask(desk, department)):
            whole.append(desk)
            continue
        try:
            choices = await _choices(opener, desk, *asking)
        except _Untold as because:
            whole.append(desk.remarked(f"{asking[0].tells} was asked for and is not told: {because}"))
            continue
        waiting.extendleft(reversed(chosen(desk, choices)))  # one desk is made whole before the next is begun
    if waiting:
        whole[-1] = whole[-1].remarked(f"more is offered at {found.url}: only {MOST} desks are shown")
    return whole


class _Untold(LookupError):
    """A platform did not tell what it was asked for; the text says why."""


async def _choices(opener: Opener, desk: Found, step: Step, ask: Ask) -> list[Choice]:
    visit = Visit(desk.url, clock().astimezone(PARIS).date(), PARIS, desk.sign.parameters)
    try:
        page = await opener.ask(ask, visit)
    except NoPage as trouble:
        raise _Untold(f"{trouble.outcome.upper()}: {trouble.reason}") from trouble
    except Spent as spent:
        raise _Untold("no request is left, see --requests") from spent
    if choices := list(step.read(page)):
        return choices
    raise _Untold(_said(page))


def _said(page: Page) -> str:
    """Say what came instead of an answer that offers something."""
    if (stands := wall(page)) and stands.outcome:
        return f"{stands.outcome.upper()}: {stands.reason}"
    return f"the answer of {page.url} (HTTP {page.status}) names none that can be read"
