"""Pages of servers and bot walls that nobody's reader understands, by what their headings say in plain words.

They come with any status: walls answer 200, and a saved page has lost its own. None of them says a word about slots.
"""

import re

from crawler.parsing.html_text import visible_text
from crawler.parsing.notices import Notice, find_notice
from crawler.reading import Outcome, Page, Reading

_LONGEST = 1000  # characters of such a page's words: longer ones are a site's own
_POSTS = "descendant::form[translate(@method, 'POST', 'post')='post'][1]"
_HEADINGS = "//*[self::title or self::h1]"
_NUMBER = (
    r"(?i)(?:^|\| )(?:error |erreur |http status |état http )?"  # before an HTTP status that a heading names
)
_NOTICES = tuple(
    Notice(outcome, re.compile(words), _HEADINGS)
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
# Addresses of walls' scripts and frames, which stand in pages that are let through, too: what they embed is no site's.
WALL_SCRIPTS = re.compile(
    r"(?i)captcha|cloudflareinsights|challenges\.cloudflare|/cdn-cgi/|awswaf|_incapsula_resource|perimeterx|px-cloud|sucuri"
)
# Scripts that ask the visitor's browser before the site answers: DataDome's, AWS WAF's.
_SCRIPTS = (
    (Outcome.CAPTCHA, "captcha-delivery.com"),
    (Outcome.CAPTCHA, ".captcha.awswaf.com"),
    (Outcome.BLOCKED, ".awswaf.com"),
)


def error_page(page: Page) -> Reading | None:
    """Say what a page is that tells of an error, a refusal or a rest and of nothing else; None for any other."""
    if not page.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") or page.root.xpath(_POSTS):
        return None
    if len(visible_text(page.root)) > _LONGEST:
        return None
    return find_notice(page, _NOTICES) or _asks_the_browser(page)


def _asks_the_browser(page: Page) -> Reading | None:
    scripts = [str(each) for each in page.root.xpath("//script/@src")]
    found = [(outcome, host) for outcome, host in _SCRIPTS if any(host in each for each in scripts)]
    return Reading(found[0][0], f"a script of {found[0][1]} stands before the site") if found else None
