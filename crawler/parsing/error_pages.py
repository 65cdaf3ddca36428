"""Error pages, and notices in the place of an answer: by their status, their headings, their words, a wrong charset.

None of them proves an absence. A generic error page may come with any status: bot walls answer 200, and a saved page
has lost its status.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from lxml.html import HtmlElement

from crawler.parsing.charset import is_damaged, shows_escapes, unescape_json
from crawler.parsing.html_text import rendered_text, visible_text
from crawler.parsing.json_models import parse_json
from crawler.parsing.normal_form import collapse_whitespace
from crawler.reading import GONE, Outcome, Page, Reading

LONGEST_QUOTE = 200  # characters of a page's or a server's words in a reason
_MOST_PLACES = 100  # elements searched for a notice
_LONGEST_ERROR_PAGE = 1000  # characters of visible text; a longer page is the site's own
POST_FORM = "descendant::form[translate(@method, 'POST', 'post')='post']"
POSTS = f"{POST_FORM}[1]"
_PAGE_NAMES = "//*[self::title or self::h1]"
# Before an HTTP status that a heading names.
_NUMBER = r"(?i)(?:^|\| )(?:error |erreur |http status |état http )?"
# Scripts that check the visitor's browser before the site answers: DataDome's, AWS WAF's.
_SCRIPTS = (
    (Outcome.CAPTCHA, "captcha-delivery.com"),
    (Outcome.CAPTCHA, ".captcha.awswaf.com"),
    (Outcome.BLOCKED, ".awswaf.com"),
)
MAINTENANCE = re.compile(r"(?i)\b(?:maintenance|indisponible)\b")  # in a title


class Notice(NamedTuple):
    """A sentence by which a site says that it answers no visitor now, or never will again."""

    outcome: Outcome
    words: re.Pattern[str]
    within: str  # XPath of the elements that may hold the sentence
    said: str = ""  # the reason; empty: the page's own words


def find_notice(page: Page, notices: Sequence[Notice]) -> Reading | None:
    """Return the reading of the first notice that a page shows, None if it shows none."""
    places = {notice.within for notice in notices}
    texts = {each: [_text_of(node) for node in page.root.xpath(each)[:_MOST_PLACES]] for each in places}
    for notice in notices:
        if any(map(notice.words.search, texts[notice.within])):
            return Reading(notice.outcome, notice.said or visible_text(page.root)[:LONGEST_QUOTE])
    return None


def _text_of(node: HtmlElement) -> str:
    """Return a node's text as a person sees it; a title shows in the browser's tab."""
    return visible_text(node) if node.tag == "title" else rendered_text(node)


_NOTICES = tuple(
    Notice(outcome, re.compile(words), _PAGE_NAMES)
    for outcome, words in (
        (Outcome.RATE_LIMITED, rf"{_NUMBER}429\b|too many requests|trop de requêtes"),
        (Outcome.BLOCKED, rf"{_NUMBER}403\b|^(?:access denied|accès refusé|request rejected)$"),
        (Outcome.BLOCKED, r"(?i)^(?:pardon our interruption|making sure you're not a bot)"),
        (Outcome.OVERLOADED, r"(?i)^service (?:est )?surchargé"),
        (Outcome.MAINTENANCE, r"(?i)\bmaintenance\b"),
        (Outcome.UNREACHABLE, rf"{_NUMBER}5\d\d(?: |$|: )(?!\w*\s*(?:rendez|créneau|place))"),
        (Outcome.UNREACHABLE, r"(?i)^(?:service unavailable|bad gateway|proxy error)$"),
    )
)


def error_page(page: Page) -> Reading | None:
    """Read a page that only reports an error, a refusal or maintenance; None for any other page."""
    if not page.is_html or page.root.xpath(POSTS):
        return None
    if len(collapse_whitespace(page.raw)) > _LONGEST_ERROR_PAGE:
        return None
    return find_notice(page, _NOTICES) or _asks_the_browser(page)


def _asks_the_browser(page: Page) -> Reading | None:
    scripts = [str(each) for each in page.root.xpath("//script/@src")]
    found = [(outcome, host) for outcome, host in _SCRIPTS if any(host in each for each in scripts)]
    return Reading(found[0][0], f"a script of {found[0][1]} stands before the site") if found else None


def find_damage(page: Page) -> str:
    """Say whether text that an answer is read from has lost letters to a wrong charset; empty if it has not.

    Of HTML that is its text and its JSON, not its comments and scripts. So is a `noscript` in another: the first end
    of either ends both in browsers, which show the rest: https://html.spec.whatwg.org/#the-noscript-element
    """
    if not page.is_html:
        texts = [unescape_json(page.text)]
    elif page.root.xpath("boolean(//noscript//noscript)"):
        return "a noscript stands in another: browsers show what follows the inner one"
    else:
        told = page.raw
        states = page.root.xpath("//script[contains(@type, 'json')]/text()")
        texts = [told, *(unescape_json(str(each)) for each in states)]
        if shows_escapes(told):
            return "its text is escaped twice"
    return "its text is damaged: a wrong charset" if any(map(is_damaged, texts)) else ""


def read_error_status(page: Page, *, entry: bool = False, gone: str = "") -> Reading | None:
    """Read an answer by its error status; None if its status is no error.

    `entry`: the page is the desk's own address, so 404 and 410 mean that the desk is closed. On later pages they may
    mean an expired session. `gone`: the site's meaning of 404 and 410, for the reason. Any other error gives a silent
    reading, which crawler/classification.py classifies.
    """
    if not page.is_error:
        return None
    if entry and page.status in GONE:
        return Reading(Outcome.CLOSED, f"HTTP {page.status}: {gone}" if gone else f"HTTP {page.status}")
    return Reading()


def read_no_document(page: Page, *, entry: bool = False) -> Reading | None:
    """Read an answer that is no page of HTML: an error by its status, or another kind of body; None for a page."""
    if error := read_error_status(page, entry=entry):
        return error
    return None if page.is_document else Reading(Outcome.UNREADABLE, "is no HTML")


def error_message(page: Page, *keys: str) -> str:
    """Return a server's words from its JSON error object: the first of these keys that is not empty."""
    answer = parse_json(page, dict[str, Any], errors=True) or {}
    return next((str(answer[key])[:LONGEST_QUOTE] for key in keys if answer.get(key)), "")
