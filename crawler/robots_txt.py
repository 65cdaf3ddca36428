"""robots.txt of a host: one reading of it, and what it forbids.

It is read once a day for the name RDVPriority, whatever a check calls itself; rules for `*` count where that has none:
https://www.rfc-editor.org/rfc/rfc9309. A reading is one request of its host's budget, made by whichever spider claims
it. 404 and 410: no rules; 401, 403, a block page: as a block of the host; 5xx, silence: the one before stands a while.
"""

from dataclasses import replace
from urllib.parse import urlsplit

from pydantic import ValidationError

from configs.ground.clock import clock
from configs.world.desk import Desk
from crawler.block_pages import find_wall
from crawler.bounds import LONGEST_REASON, clean_text
from crawler.fetching.errors import FetchError
from crawler.fetching.request_budget import BudgetExhausted
from crawler.fetching.session import Session
from crawler.items import CheckItem, process_name
from crawler.parsing.robots_rules import allows
from crawler.platforms import platform
from crawler.reading import Outcome, Page, PageRequest
from crawler.scheduling.probes import entry_of
from crawler.visit_state import visit_of

_LONGEST = 512_000  # characters; https://www.rfc-editor.org/rfc/rfc9309#section-2.5
_REFUSED = (401, 403)
_TOO_MANY, _SERVER_ERROR, _ERROR = 429, 500, 400


def forbids(text: str, desk: Desk) -> bool:
    """Tell whether a robots.txt forbids a desk's page, or the first that is asked for it on the same host."""
    return not all(allows(text, url) for url in {desk.url, _first_url(desk)})


def _first_url(desk: Desk) -> str:
    """Return the address that a visit asks first, where it is on the desk's host; else the desk's own."""
    try:
        first = platform(desk.platform).first_request(visit_of(desk)).url
    except ValidationError:  # it is not watched, and its file lacks what the platform needs to know
        return desk.url
    return first if urlsplit(first).netloc == urlsplit(desk.url).netloc else desk.url


async def read_robots(desk: Desk, token: int, session: Session) -> CheckItem:
    """Ask for the robots.txt of a desk's host; `robots_text` is None where it was not read.

    What was read is `no_slots`, for want of another word for an answer that proves something.
    """
    started_at = clock()
    url = "{0.scheme}://{0.netloc}/robots.txt".format(urlsplit(desk.url))
    item = CheckItem(
        outcome=Outcome.UNREACHABLE,
        reason="our requests were used up",
        desk_id=entry_of(desk.host),
        token=token,
        started_at=started_at,
        seen_at=started_at,
        milliseconds=0,
        requests=0,
        error=None,
        booking_url=url,
        process=process_name(),
    )
    try:
        page = await session.fetch(PageRequest(url), visit_of(desk), lambda _url, _method: False)
    except FetchError as failure:
        told = failure.reading
        item = replace(item, outcome=told.outcome or Outcome.UNREACHABLE, reason=told.reason)
    except BudgetExhausted:
        pass
    else:
        item = _judge(item, page)
    finally:
        await session.close()
    reason = clean_text(item.reason, LONGEST_REASON)
    return replace(item, reason=reason, seen_at=clock(), requests=session.requests)


def _judge(item: CheckItem, page: Page) -> CheckItem:
    if page.status in _REFUSED:
        return replace(item, outcome=Outcome.BLOCKED, reason=f"HTTP {page.status}")
    is_missing = _ERROR <= page.status < _SERVER_ERROR and page.status != _TOO_MANY
    wall = find_wall(page)  # one that answers 200 in its place says nothing of rules
    if wall and wall.outcome and wall.outcome is not Outcome.UNREADABLE and not is_missing:
        return replace(item, outcome=wall.outcome, reason=wall.reason, retry_after=wall.retry_after)
    if page.status >= _SERVER_ERROR:
        return replace(item, reason=f"HTTP {page.status}")
    text = "" if is_missing else page.body.decode("utf-8", "replace").replace("\0", "")
    return replace(item, outcome=Outcome.NO_SLOTS, reason="it was read", robots_text=text[:_LONGEST])
