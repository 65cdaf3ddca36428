"""What stands before any platform: bot walls, refusals, maintenance. A wall is never "no slots"."""

import logging
import re
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime

from configs.clock import clock
from crawler.parsing.error_pages import error_page
from crawler.parsing.markup import title, visible
from crawler.platforms import Platform
from crawler.reading import Outcome, Page, Reading

log = logging.getLogger(__name__)

# Titles, ids and words of Cloudflare's pages; in French too, which it shows to browsers that ask for it.
_CLOUDFLARE_TITLE = re.compile(
    r"(?i)(?:just a moment|un instant|.*\| cloudflare$|.*\bused cloudflare to restrict access)"
)
_CLOUDFLARE = (
    "//*[@id='challenge-form' or @id='cf-challenge-running' or contains(@id, 'cf-error-details')"
    " or contains(@class, 'cf-error-details')] | //script[contains(., '_cf_chl_opt')]"
)
_CLOUDFLARE_WORDS = re.compile(r"(?i)cloudflare ray id|sorry, you have been blocked|error (?:code: )?1020\b")
# Cloudflare's page of a site that does not answer it: nobody is refused. With its status it is the platform's to sort.
_SITE_DOWN = re.compile(
    r"(?i).*\| 5\d\d: |(?:origin )?dns (?:resolution )?error|dns points to|host not configured|could not find host"
    r"|(?:cloudflare|argo) tunnel error|worker (?:threw|exceeded)"
)
_SITE_DOWN_MARK = "//*[contains(@class, 'cf-error-5')]"
_TOO_MANY = re.compile(r"(?i)error (?:code: )?1015|you are being rate limited")
# Imperva puts its script into pages that it lets through, too: only its frame and its words are the wall.
_INCAPSULA = "//iframe[contains(@src, '_Incapsula_Resource')]"
_INCAPSULA_WORDS = re.compile(r"(?i)incapsula incident id")
# What a person would have to solve. A script alone is no widget: sites load it for forms that nobody opens.
_WIDGET = (
    "descendant::*[contains(@class, 'g-recaptcha') or contains(@class, 'h-captcha')"
    " or contains(@class, 'cf-turnstile') or @id='cf-norobot-container' or @id='captcha-bypass'"
    " or @name='captchaUsercode' or self::rdv-captchetat or self::iframe[contains(@src, 'captcha')"
    " or contains(@src, 'challenges.cloudflare.com')]]"
)
# Plain words that all of the above carry: a page without them is spared the search (three times faster).
_BOT_HINTS = (
    b"cloudflare",
    b"_cf_chl",
    b"cf-",
    b"challenge-form",
    b"just a moment",
    b"un instant",
    b"you have been blocked",
    b"1020",
    b"incapsula",
)
_WIDGET_HINTS = (b"captcha", b"captchetat", b"turnstile", b"cf-norobot", b"challenges.cloudflare")
_POSTS = "descendant::form[translate(@method, 'POST', 'post')='post']"
_MAINTENANCE = re.compile(r"(?i)\b(?:maintenance|indisponible)\b")


def wall(page: Page) -> Reading | None:
    """Say what every site answers alike; None where the page is the platform's to read."""
    if page.status == 429:  # noqa: PLR2004
        return Reading(Outcome.RATE_LIMITED, "HTTP 429", retry_after=_retry_after(page))
    if page.is_html and (found := _bot_wall(page) or _captcha(page) or _closed_for_work(page)):
        return found
    if page.status == 503 and (wait := _retry_after(page)) is not None:  # noqa: PLR2004
        return Reading(Outcome.MAINTENANCE, "HTTP 503 with Retry-After", retry_after=wait)
    if not page.is_error and not page.body.strip():
        return Reading(Outcome.UNREADABLE, f"HTTP {page.status} with an empty body")
    return None


def interpret(platform: Platform, page: Page) -> Reading:
    """Read a page: an outcome, or what is asked next. Never silent, and never raises."""
    try:
        reading = wall(page) or platform.read(page)
    except Exception as error:  # a reader's bug ends as its check's outcome, never as a lost check
        log.exception("the reader failed on %s", page.url)
        return Reading(Outcome.UNREADABLE, f"the reader failed: {type(error).__name__}: {error}")
    if reading.silent:
        return _left_over(page)
    if reading.outcome is Outcome.UNREADABLE and (told := error_page(page)):
        return replace(told, retry_after=_retry_after(page))
    return _proven(reading)


def _bot_wall(page: Page) -> Reading | None:
    if not _mentions(page, _BOT_HINTS):
        return None
    name, text = title(page.root), ""
    if _SITE_DOWN.match(name) or page.root.xpath(_SITE_DOWN_MARK):
        return None if page.status >= 500 else Reading(Outcome.UNREACHABLE, f"Cloudflare: {name}")  # noqa: PLR2004
    known = _CLOUDFLARE_TITLE.match(name) or page.root.xpath(_CLOUDFLARE)
    if not known and not page.root.xpath(_POSTS):  # words count only where nothing can be filled in
        text = visible(page.root)
        known = _CLOUDFLARE_WORDS.search(text)
    if known:
        return _cloudflare(page, name, text or visible(page.root))
    if page.root.xpath(_INCAPSULA) or _INCAPSULA_WORDS.search(text) or _incapsula_alone(page):
        return Reading(Outcome.BLOCKED, "Imperva Incapsula refuses")
    return None


def _incapsula_alone(page: Page) -> bool:
    """Whether the page is Imperva's script and shows nothing: it asks the browser, and the site has not answered."""
    return b"_incapsula_resource" in page.lowered and not visible(page.root)


def _cloudflare(page: Page, name: str, text: str) -> Reading:
    if _TOO_MANY.search(text):
        return Reading(Outcome.RATE_LIMITED, "Cloudflare 1015", retry_after=_retry_after(page))
    if _widget(page):
        return Reading(Outcome.CAPTCHA, f"Cloudflare asks for a captcha: {name}")
    return Reading(Outcome.BLOCKED, f"Cloudflare: {name}")


def _widget(page: Page) -> bool:
    return _mentions(page, _WIDGET_HINTS) and bool(page.root.xpath(_WIDGET))


def _mentions(page: Page, words: tuple[bytes, ...]) -> bool:
    return any(word in page.lowered for word in words)


def _captcha(page: Page) -> Reading | None:
    """Find a captcha that stands in the way: nothing can be sent without it (a footer's form is not in the way)."""
    if _widget(page) and all(form.xpath(_WIDGET) for form in page.root.xpath(_POSTS)):
        return Reading(Outcome.CAPTCHA, f"captcha: {title(page.root) or page.url}")
    return None


def _closed_for_work(page: Page) -> Reading | None:
    name = title(page.root)
    if _MAINTENANCE.search(name) and not page.root.xpath(_POSTS):
        return Reading(Outcome.MAINTENANCE, name, retry_after=_retry_after(page))
    return None


def _left_over(page: Page) -> Reading:
    """Sort what no rule understood. A refusal stands here: a platform may know better why it says 401 or 403."""
    if page.status in (401, 403):
        return Reading(Outcome.BLOCKED, f"HTTP {page.status}", refused=page.status == 403)  # noqa: PLR2004
    told = error_page(page)
    if page.status >= 500 and (not told or told.outcome is Outcome.UNREACHABLE):  # noqa: PLR2004
        return Reading(Outcome.UNREACHABLE, f"HTTP {page.status}")
    if told:
        return replace(told, retry_after=_retry_after(page))
    if _widget(page):
        return Reading(Outcome.CAPTCHA, f"a captcha, and nothing else that is known: {title(page.root)}")
    what = f"HTTP {page.status}, {len(page.body)} bytes, title {title(page.root)[:100]!r}"
    moved = f", at {page.url}" if page.url != page.ask.url else ""
    return Reading(Outcome.UNREADABLE, f"understood by no rule: {what}{moved}")


def _proven(reading: Reading) -> Reading:
    """Refuse an answer that does not carry its proof: a platform's bug must not become a lie."""
    if reading.outcome is Outcome.SLOTS and not reading.slots:
        return Reading(Outcome.UNREADABLE, f"slots without a slot: {reading.reason}")
    if reading.outcome is Outcome.NO_SLOTS and (reading.slots or not reading.covered):
        return Reading(Outcome.UNREADABLE, f"no slots without saying for what: {reading.reason}")
    return reading


def _retry_after(page: Page) -> float | None:
    """Return the seconds that Retry-After asks for, given as seconds or as an HTTP date; None without it."""
    value = page.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # OverflowError: a year of twenty digits
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - clock()).total_seconds())
