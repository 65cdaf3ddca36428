"""Walls and what looks like one: a wall is never read, and a page that is read is never taken for a wall."""

from dataclasses import replace
from pathlib import Path

import pytest

from configs.world.outcome import Outcome
from crawler.block_pages import classify_page
from crawler.commands.read import describe
from crawler.platforms import platform, platforms
from crawler.reading import Page
from tests.crawler.golden import CASES, expected, load, name_of
from tests.in_turn import in_turn

READ = (None, "slots", "no_slots")  # outcomes of pages that are read; None: it leads on
BADGE = (
    '<script src="https://www.google.com/recaptcha/api.js?render=explicit" async></script>'
    '<div class="grecaptcha-badge" data-style="bottomright"><iframe title="reCAPTCHA"'
    ' src="https://www.google.com/recaptcha/api2/anchor?ar=1&amp;size=invisible"></iframe></div>'
    '<div style="visibility: hidden; position: absolute"><iframe src="https://www.google.com/recaptcha/api2/bframe">'
    "</iframe></div>"
)
NEWSLETTER = (
    '<section><p>Recevez la lettre de la ville</p><form action="/lettre" method="post"><input type="email" name="courriel">'
    '<div class="g-recaptcha" data-sitekey="x"></div><button>Je m\'abonne</button></form></section>'
)
INVISIBLE = '<div class="g-recaptcha" data-size="invisible" data-sitekey="x"></div>'
BEACON = '<script defer src="https://static.cloudflareinsights.com/beacon.min.js" data-cf-beacon=\'{"token":"x"}\'></script>'
BOT_SCRIPT = (
    "<script>(function(){window['__CF$cv$params']={r:'8'};var s=document.createElement('script');"
    "s.src='/cdn-cgi/challenge-platform/scripts/jsd/main.js';document.head.appendChild(s)})()</script>"
)
IMPERVA = '<script src="/_Incapsula_Resource?SWJIYLWA=719d" async></script>'
BESIDE = {
    "badge": BADGE,
    "invisible": INVISIBLE,
    "newsletter": NEWSLETTER,
    "beacon": BEACON,
    "bot script": BOT_SCRIPT,
    "imperva": IMPERVA,
}
WALLS = {
    "perimeterx": (
        '<html><head><title>Access to this page has been denied</title><meta name="description" content="px-captcha">'
        "</head><body><h1>Press &amp; Hold to confirm you are a human</h1><div id='px-captcha'></div>"
        "<script>window._pxAppId='PXx';</script><script src='/x/captcha/captcha.js?a=c'></script></body></html>"
    ),
    "sucuri": (
        "<html><head><title>Sucuri WebSite Firewall - Access Denied</title></head><body><h1>Sucuri WebSite Firewall</h1>"
        "<h2>Access Denied - Sucuri Website Firewall</h2><p>Block ID: EXPVP16</p></body></html>"
    ),
    "sucuri's question": (
        "<html><title>You are being redirected...</title><noscript>Javascript is required.</noscript>"
        "<script>var s={},u,c,U,r,i,l=0,S='x';sucuri_cloudproxy_js='';</script></html>"
    ),
    "s3": (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message>'
        "<RequestId>X</RequestId><HostId>x</HostId></Error>"
    ),
    "cloudflare's script": (
        f"<html><head><title>www.exemple.invalid</title></head><body>{BOT_SCRIPT}<noscript>JavaScript</noscript></body></html>"
    ),
    "cloudflare": "<html><head><title>Just a moment...</title></head><body><form id='challenge-form'></form></body></html>",
    "imperva's script": f"<html><head><title>www.exemple.invalid</title>{IMPERVA}</head><body></body></html>",
    "datadome": '<html><head><title>exemple.invalid</title><script src="https://ct.captcha-delivery.com/i.js"></script></head></html>',
}
FIRST = {name: next(case for case in CASES if case.parent.name == name) for name in sorted(platforms())}


def proven(page: Page, name: str) -> dict[str, object]:
    said = describe(classify_page(platform(name), page), page.visit.zone)
    return {key: said[key] for key in ("outcome", "slots", "covered", "next")}


PAGES = [case for case in CASES if load(case).is_html and expected(case)["outcome"] in READ]


@pytest.mark.rule("3.2")
@pytest.mark.parametrize("beside", sorted(BESIDE))
@in_turn("case", PAGES, name_of)
def test_what_looks_like_a_wall_beside_a_page_that_is_read_changes_nothing(case: Path, beside: str) -> None:
    page, extra = load(case), BESIDE[beside].encode()
    before, end, after = page.body.rpartition(b"</body>")
    whole = expected(case)
    for body in (before + extra + end + after, page.body.replace(b"<body>", b"<body>" + extra, 1)):
        shown = proven(replace(page, body=body), case.parent.name)
        assert shown == {key: whole[key] for key in shown}


@pytest.mark.rule("3.2")
@pytest.mark.parametrize("which", sorted(WALLS))
@in_turn("name", FIRST)
def test_a_wall_is_a_wall_to_every_platform(name: str, which: str) -> None:
    page = replace(load(FIRST[name]), body=WALLS[which].encode(), status=200, headers={})
    reading = classify_page(platform(name), page)
    assert reading.outcome is (Outcome.CAPTCHA if which == "datadome" else Outcome.BLOCKED)
    assert (reading.slots, reading.covered, reading.asks) == ((), (), ())
