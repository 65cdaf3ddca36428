"""Classification of a page: a block page, which any host may answer, else what its platform reads, within bounds."""

import logging
import re
from dataclasses import replace

from crawler.block_pages import (
    find_bot_check,
    find_captcha,
    find_unknown_captcha,
    find_wall,
    read_retry_after,
)
from crawler.bounds import bound_reading
from crawler.parsing.error_pages import error_page, find_damage
from crawler.parsing.html_text import title
from crawler.parsing.websocket_frames import CUT_OFF
from crawler.platforms import Platform
from crawler.reading import Outcome, Page, Reading

log = logging.getLogger(__name__)
HEADERS = ("age", "content-type", "retry-after", CUT_OFF.lower())  # those that readers and block pages use


def classify_page(platform: Platform, page: Page) -> Reading:
    """Read a page: an outcome, or further requests. Never silent, never raises, within the bounds (`bound_reading`)."""
    return bound_reading(_interpret(platform, page), page.visit, page.ask.window)


def _interpret(platform: Platform, page: Page) -> Reading:
    try:
        if stale := _stale_answer(page):
            return stale
        reading = find_wall(page) or platform.read_page(page)
        if _proves(reading):
            return _require_proof(page, reading)
        return find_captcha(page) or _unrecognised(page, reading)
    except Exception as error:  # a reader's bug ends as its check's outcome, never as a lost check
        log.exception("the reader failed on %s", page.url)
        return Reading(Outcome.UNREADABLE, f"the reader failed: {type(error).__name__}: {error}")


def _stale_answer(page: Page) -> Reading | None:
    """Read an answer that a cache has kept for too long: it says nothing of now.

    https://www.rfc-editor.org/rfc/rfc9111#section-5.1
    """
    ages = [int(each) for each in re.findall(r"\d{1,9}", page.headers.get("age", ""))]
    oldest = page.visit.oldest.total_seconds()
    if max(ages, default=0) <= oldest:
        return None
    said = f"a cache answers with what is {max(ages)} s old; {oldest:.0f} s at most are believed"
    return Reading(Outcome.UNREADABLE, said)


def _proves(reading: Reading) -> bool:
    """Tell whether a reading stands, whatever else the page has: it proves something."""
    proven = reading.slots or reading.covered or reading.fallback
    return bool(proven) or reading.outcome not in (None, Outcome.UNREADABLE)


def _unrecognised(page: Page, reading: Reading) -> Reading:
    """Classify a page that proves nothing. 401 and 403 come last, because a platform may know their meaning."""
    if reading.asks or reading.next_at:
        return reading
    if found := find_bot_check(page):
        return found
    silent, told = reading.silent, error_page(page)
    if silent and page.status in (401, 403):
        return Reading(Outcome.BLOCKED, f"HTTP {page.status}", refused=page.status == 403)  # noqa: PLR2004
    if silent and page.status >= 500 and (not told or told.outcome is Outcome.UNREACHABLE):  # noqa: PLR2004
        return Reading(Outcome.UNREACHABLE, f"HTTP {page.status}")
    if told:
        return replace(told, retry_after=read_retry_after(page))
    return _describe_unread(page) if silent else reading


def _describe_unread(page: Page) -> Reading:
    if found := find_unknown_captcha(page):
        return found
    what = f"HTTP {page.status}, {len(page.body)} bytes, title {title(page.root)[:100]!r}"
    moved = f", at {page.url}" if page.url != page.ask.url else ""
    return Reading(Outcome.UNREADABLE, f"understood by no rule: {what}{moved}")


def _require_proof(page: Page, reading: Reading) -> Reading:
    """Make a conclusive reading without its proof `unreadable`: a platform bug must not become a false answer.

    Damaged text proves no absence: a date, or words that revoke a denial, may be lost in it. Slots stand.
    """
    if reading.outcome is Outcome.SLOTS and not reading.slots:
        return Reading(Outcome.UNREADABLE, f"slots without a slot: {reading.reason}")
    if reading.outcome is Outcome.NO_SLOTS and (reading.slots or not reading.covered):
        return Reading(Outcome.UNREADABLE, f"no slots without saying for what: {reading.reason}")
    if reading.covered and (damage := find_damage(page)):
        outcome = reading.outcome if reading.slots else Outcome.UNREADABLE
        return replace(reading, outcome=outcome, reason=f"{reading.reason}; {damage}", covered=())
    return reading
