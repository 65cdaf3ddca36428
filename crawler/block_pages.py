"""Block pages, which any host may answer: bot walls, refusals, captchas, maintenance. They never prove "no slots"."""

import re

from configs.ground.retry_after import parse_retry_after
from crawler.parsing.error_pages import MAINTENANCE, POST_FORM, POSTS
from crawler.parsing.hidden_parts import CONCEALED
from crawler.parsing.html_text import title, visible_text
from crawler.reading import Outcome, Page, Reading

# Titles, ids and words of Cloudflare's pages, also in French, which it sends to browsers that prefer it.
_CLOUDFLARE_TITLE = re.compile(
    r"(?i)(?:just a moment|un instant|.*\| cloudflare$|.*\bused cloudflare to restrict access)"
)
_CLOUDFLARE = (
    "descendant::*[@id='challenge-form' or @id='cf-challenge-running' or contains(@id, 'cf-error-details')"
    " or contains(@class, 'cf-error-details') or self::script[contains(., '_cf_chl_opt')]]"
)
_CLOUDFLARE_WORDS = re.compile(r"(?i)cloudflare ray id|sorry, you have been blocked|error (?:code: )?1020\b")
# Cloudflare's page for a site that is down is no refusal. With an error status the platform classifies it.
_SITE_DOWN = re.compile(
    r"(?i).*\| 5\d\d: |(?:origin )?dns (?:resolution )?error|dns points to|host not configured|could not find host"
    r"|(?:cloudflare|argo) tunnel error|worker (?:threw|exceeded)"
)
_SITE_DOWN_MARK = "//*[contains(@class, 'cf-error-5')]"
_TOO_MANY = re.compile(r"(?i)error (?:code: )?1015|you are being rate limited")
# Imperva's script is also in pages that it lets through: only its frame and its words mean a wall.
_INCAPSULA = "//iframe[contains(@src, '_Incapsula_Resource')]"
_INCAPSULA_WORDS = re.compile(r"(?i)incapsula incident id")
# Refusals of other vendors, by elements that no page of a site has.
_OTHERS = {
    "PerimeterX": "//*[@id='px-captcha' or self::meta[@content='px-captcha']"
    " or self::title[starts-with(normalize-space(), 'Access to this page has been denied')]]",
    "Sucuri": "//*[self::title[contains(., 'Sucuri WebSite Firewall')]"
    " or self::script[contains(., 'sucuri_cloudproxy_js')]"
    " or (self::h1 or self::h2) and contains(., 'Sucuri Website Firewall')]",
    "S3": "/html/body/error/code[. = 'AccessDenied']",
}
# Scripts that check the visitor's browser. Pages that pass the check hold them too, beside their own content.
_BOT_SCRIPTS = {
    "Imperva Incapsula": (b"_incapsula_resource",),
    "Cloudflare": (b"/cdn-cgi/challenge-platform/", b"/cdn-cgi/bm/", b"__cf$cv$params"),
}
# Captchas to solve. A captcha's script alone is no widget: sites load it for forms that stay closed.
_WIDGET = (
    "descendant::*[contains(@class, 'g-recaptcha') or contains(@class, 'h-captcha')"
    " or contains(@class, 'cf-turnstile') or @id='cf-norobot-container' or @id='captcha-bypass'"
    " or @name='captchaUsercode' or self::rdv-captchetat or self::iframe[contains(@src, 'captcha')"
    " or contains(@src, 'challenges.cloudflare.com')]]"
)
# Captchas that ask nothing before a form is sent, and parts that their scripts keep invisible.
_UNSEEN = (
    f"ancestor-or-self::*[{CONCEALED} or @data-size='invisible' or contains(@class, 'grecaptcha-badge')]"
    " or contains(@src, 'size=invisible')"
)
# Forms with another purpose than the page's: in a footer, or with an e-mail field and no password field.
_BESIDE = (
    "ancestor::footer or ancestor::aside or ancestor::nav or contains(@action, 'newsletter')"
    " or descendant::input[@type='email' or contains(@name, 'mail')] and not(descendant::input[@type='password'])"
)
# Words that occur in all of the above: pages without them skip the search (three times faster).
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
    b"px-captcha",
    b"access to this page has been denied",
    b"sucuri",
    b"accessdenied",
    b"/cdn-cgi/",
    b"__cf$cv$params",
)
_WIDGET_HINTS = (b"captcha", b"captchetat", b"turnstile", b"cf-norobot", b"challenges.cloudflare")
_ANY_WIDGET = f"{_WIDGET}[1]"  # libxml2 stops at the first
_STANDING = f"{_WIDGET}[not({_UNSEEN}) and not(ancestor::footer)]"
_FORMS_BESIDE = f"descendant::form[{_BESIDE}]"  # forms, found once: for each widget anew, 2 MB took minutes
_IN_THE_WAY = f"{POST_FORM}[not({_BESIDE})]"


def detect_block_page(page: Page) -> Reading | None:
    """Read a page without a platform's reader: its block page, None if it is none."""
    return find_wall(page) or find_captcha(page) or find_bot_check(page)


def find_wall(page: Page) -> Reading | None:
    """Read a page that is itself a block page, whatever its platform; None for any other page."""
    if page.status == 429:  # noqa: PLR2004
        return Reading(Outcome.RATE_LIMITED, "HTTP 429", retry_after=read_retry_after(page))
    if page.is_html and (found := _bot_wall(page) or _maintenance_page(page)):
        return found
    if page.status == 503 and (wait := read_retry_after(page)) is not None:  # noqa: PLR2004
        return Reading(Outcome.MAINTENANCE, "HTTP 503 with Retry-After", retry_after=wait)
    if not page.is_error and not page.body.strip():
        return Reading(Outcome.UNREADABLE, f"HTTP {page.status} with an empty body")
    return None


def find_captcha(page: Page) -> Reading | None:
    """Find a captcha that blocks a page which proves nothing; None if there is none.

    It blocks if every form needs it, or if it is visible on a page without forms. A captcha in a footer or in a
    newsletter's form does not block, nor the badge of an invisible one.
    """
    if not page.is_html or not _mentions(page, _WIDGET_HINTS):
        return None
    forms = page.root.xpath(_IN_THE_WAY)
    stands = all(form.xpath(_ANY_WIDGET) for form in forms) if forms else _stands(page)
    return Reading(Outcome.CAPTCHA, f"captcha: {title(page.root) or page.url}") if stands else None


def _stands(page: Page) -> bool:
    """Tell whether a captcha is visible, in no form with another purpose."""
    beside = set(page.root.xpath(_FORMS_BESIDE))
    return any(beside.isdisjoint(each.iterancestors("form")) for each in page.root.xpath(_STANDING))


def find_unknown_captcha(page: Page) -> Reading | None:
    """Find a captcha that stands on a page of which nothing else is known; None if there is none."""
    if not _mentions(page, _WIDGET_HINTS) or not _stands(page):
        return None
    return Reading(Outcome.CAPTCHA, f"a captcha, and nothing else that is known: {title(page.root)}")


def find_bot_check(page: Page) -> Reading | None:
    """Find a refusal by its words, or a browser check on an empty page; None if there is neither.

    Pages of a site may contain either, so it counts only where the page proves nothing.
    """
    if not page.is_html or not _mentions(page, _BOT_HINTS) or _is_site_down(page):
        return None
    text = visible_text(page.root)
    if not page.root.xpath(POSTS):  # words count only where nothing can be filled in
        if _CLOUDFLARE_WORDS.search(text):
            return _cloudflare(page)
        if _INCAPSULA_WORDS.search(text):
            return Reading(Outcome.BLOCKED, "Imperva Incapsula refuses")
    if any(visible_text(body) for body in page.root.xpath("/html/body")):
        return None
    found = (name for name, marks in _BOT_SCRIPTS.items() if _mentions(page, marks))
    return next((Reading(Outcome.BLOCKED, f"{name} refuses") for name in found), None)


def _bot_wall(page: Page) -> Reading | None:
    """Find a bot wall, by its title or by elements that only walls have."""
    if not _mentions(page, _BOT_HINTS):
        return None
    name = title(page.root)
    if _is_site_down(page):
        return None if page.status >= 500 else Reading(Outcome.UNREACHABLE, f"Cloudflare: {name}")  # noqa: PLR2004
    if _CLOUDFLARE_TITLE.match(name) or page.root.xpath(_CLOUDFLARE):
        return _cloudflare(page)
    if page.root.xpath(_INCAPSULA):
        return Reading(Outcome.BLOCKED, "Imperva Incapsula refuses")
    found = (who for who, marks in _OTHERS.items() if page.root.xpath(marks))
    return next((Reading(Outcome.BLOCKED, f"{who} refuses") for who in found), None)


def _is_site_down(page: Page) -> bool:
    return bool(_SITE_DOWN.match(title(page.root)) or page.root.xpath(_SITE_DOWN_MARK))


def _cloudflare(page: Page) -> Reading:
    name = title(page.root)
    if _TOO_MANY.search(visible_text(page.root)):
        return Reading(Outcome.RATE_LIMITED, "Cloudflare 1015", retry_after=read_retry_after(page))
    if _mentions(page, _WIDGET_HINTS) and page.root.xpath(_ANY_WIDGET):
        return Reading(Outcome.CAPTCHA, f"Cloudflare asks for a captcha: {name}")
    return Reading(Outcome.BLOCKED, f"Cloudflare: {name}")


def _mentions(page: Page, words: tuple[bytes, ...]) -> bool:
    return any(word in page.lowered for word in words)


def _maintenance_page(page: Page) -> Reading | None:
    name = title(page.root)
    if MAINTENANCE.search(name) and not page.root.xpath(POSTS):
        return Reading(Outcome.MAINTENANCE, name, retry_after=read_retry_after(page))
    return None


def read_retry_after(page: Page) -> float | None:
    """Return the seconds after which a page asks to be asked again; None if it names none."""
    return parse_retry_after(page.headers.get("retry-after", ""))
