"""Requests the ids of the desks at an address from their platform: one request after the other, as few as possible."""

from collections import deque

from configs.clock import clock
from crawler.block_pages import detect_block_page
from crawler.fetching.errors import FetchError, to_fetch_error
from crawler.fetching.request_budget import BudgetExhausted
from crawler.fetching.ssrf_guard import refuse_inside
from crawler.platform_detection.desk_candidate import (
    MOST,
    DeskCandidate,
    add_address_parameters,
    apply_choices,
    next_ask,
)
from crawler.platform_detection.identify import PARIS, PlatformMatch, wrap_embedded
from crawler.platform_detection.lookup_base import IdChoice, LookupStep
from crawler.platform_detection.page_fetcher import PageFetcher
from crawler.reading import Page, PageRequest, VisitContext
from crawler.url_policy import AddressRefused


async def look_up_ids(
    opener: PageFetcher, found: DeskCandidate, department: str | None = None
) -> list[DeskCandidate]:
    """Return the desks at an address, at most ten, with the ids that their platform tells.

    If an id is not told, a note says why. For a page that embeds another platform's, that platform is asked.

    Raises:
        crawler.fetching.errors.FetchError: the address is in a private network, where no desk is.
    """
    try:
        refuse_inside(found.url)
    except AddressRefused as refusal:
        raise to_fetch_error(refusal, found.url) from refusal
    if not found.sign.frame:
        return await _complete_ids(opener, add_address_parameters(found), department)
    named = found.sign.parameters
    inner = PlatformMatch(named["platform"], found.sign.evidence, found.sign.frame, named["parameters"])
    desks = await look_up_ids(opener, found._replace(sign=inner, url=found.sign.frame), department)
    return [wrap_desk(found.url, each, found.sign.evidence) for each in desks]


def wrap_desk(outer: str, inner: DeskCandidate, evidence: str) -> DeskCandidate:
    """Return the desk of a page that embeds another platform's desk."""
    sign = wrap_embedded(outer, inner.sign, evidence)
    return inner._replace(sign=sign, url=sign.url or inner.url)


async def _complete_ids(
    opener: PageFetcher, found: DeskCandidate, department: str | None
) -> list[DeskCandidate]:
    whole, waiting = list[DeskCandidate](), deque([found])
    while waiting and len(whole) < MOST:
        desk = waiting.popleft()
        if not (asking := next_ask(desk, department)):
            whole.append(desk)
            continue
        try:
            choices = await _choices(opener, desk, *asking)
        except _Untold as because:
            whole.append(desk.with_note(f"{asking[0].tells} was asked for and is not told: {because}"))
            continue
        waiting.extendleft(reversed(apply_choices(desk, choices)))  # one desk is completed before the next
    if waiting:
        whole[-1] = whole[-1].with_note(f"more is offered at {found.url}: only {MOST} desks are shown")
    return whole


class _Untold(LookupError):
    """The platform did not tell an id; the text says why."""


async def _choices(
    opener: PageFetcher, desk: DeskCandidate, step: LookupStep, ask: PageRequest
) -> list[IdChoice]:
    visit = VisitContext(desk.url, clock().astimezone(PARIS).date(), PARIS, desk.sign.parameters)
    try:
        page = await opener.ask(ask, visit)
    except FetchError as trouble:
        raise _Untold(f"{trouble.outcome.upper()}: {trouble.reason}") from trouble
    except BudgetExhausted as spent:
        raise _Untold("no request is left, see --requests") from spent
    if choices := list(step.read(page)):
        return choices
    raise _Untold(_describe_answer(page))


def _describe_answer(page: Page) -> str:
    """Describe an answer without choices."""
    if (stands := detect_block_page(page)) and stands.outcome:
        return f"{stands.outcome.upper()}: {stands.reason}"
    return f"the answer of {page.url} (HTTP {page.status}) names none that can be read"
