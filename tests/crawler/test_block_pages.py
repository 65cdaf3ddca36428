"""Block pages and golden pages as every platform reads them."""

import json
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from configs.world.desk import Outcome
from crawler.block_pages import detect_block_page
from crawler.classification import classify_page
from crawler.commands.read import describe
from crawler.platforms import platform, platforms
from crawler.reading import CoveredWindow, Page, Reading
from tests.crawler import ezbooking_pages as ez
from tests.crawler.golden import CASES, body, case_file, expected, kind, load, name_of
from tests.crawler.pages import page, read
from tests.in_turn import in_turn

CHALLENGE = '<html><head><title>Just a moment...</title></head><body>{}<form id="challenge-form"></form></body></html>'
RECAPTCHA = '<form method="POST"><div class="g-recaptcha" data-sitekey="x"></div></form>'


def outcome(body: str, **how: Any) -> Outcome | None:
    reading = detect_block_page(page(body, **how))
    return reading.outcome if reading else None


@in_turn("status", [200, 403, 503])
@in_turn(
    "body",
    [
        CHALLENGE.format(""),
        "<html><head><title>Un instant…</title></head><body></body></html>",
        "<title>Attention Required! | Cloudflare</title>",
        "<TITLE>Please Wait... | Cloudflare</TITLE>",
        "<title>Attention requise ! | Cloudflare</title>",
        "<title>Accès refusé | www.example.fr used Cloudflare to restrict access</title>",
        "<html><body><h1>Access denied</h1><p>Error code: 1020</p></body></html>",
        "<html><body><h2 id='cf-challenge-running'></h2></body></html>",
        "<html><body><div class='cf-error-details-wrapper cf-error-details'>Error</div></body></html>",
        "<html><script>window._cf_chl_opt = {};</script></html>",
        "<html><body><h1>Sorry, you have been blocked</h1></body></html>",
        "<html><body><p>Cloudflare Ray ID: 7abc</p></body></html>",
        "\ufeff\n" + CHALLENGE.format(""),
    ],
)
def test_cloudflare_blocks_with_any_status(body: str, status: int) -> None:
    assert outcome(body, status=status) is Outcome.BLOCKED


@in_turn(
    "title",
    [
        "Origin DNS error | www.example.fr | Cloudflare",
        "DNS points to prohibited IP | www.example.fr | Cloudflare",
        "Cloudflare Tunnel error | www.example.fr | Cloudflare",
        "Worker threw exception | www.example.fr | Cloudflare",
        "www.example.fr | 525: SSL handshake failed",
    ],
)
def test_a_site_that_cloudflare_cannot_reach_refuses_nobody(title: str) -> None:
    body = f"<title>{title}</title><div id='cf-error-details'>Cloudflare Ray ID: 7abc</div>"
    assert outcome(body, status=403) is outcome(body) is Outcome.UNREACHABLE
    assert read(body, status=530).outcome is Outcome.UNREACHABLE


@in_turn("status", [200, 403])
@in_turn(
    "widget",
    [
        '<div class="g-recaptcha"></div>',
        '<div class="h-captcha"></div>',
        '<div class="cf-turnstile"></div>',
        '<div id="cf-norobot-container"><input type="button"></div>',
        '<iframe src="https://challenges.cloudflare.com/cdn-cgi/challenge-platform/x"></iframe>',
    ],
)
def test_cloudflare_asks_for_a_captcha(widget: str, status: int) -> None:
    assert outcome(CHALLENGE.format(widget), status=status) is Outcome.CAPTCHA


def test_cloudflare_1015_is_a_rate_limit_with_its_wait() -> None:
    body = CHALLENGE.format("<h2>You are being rate limited</h2>")
    reading = detect_block_page(page(body, retry_after="30"))
    assert reading == Reading(Outcome.RATE_LIMITED, "Cloudflare 1015", retry_after=30.0)
    title = "<title>Access denied | www.example.fr used Cloudflare to restrict access</title>"
    assert outcome(f"{title}<h1>Error 1015</h1>", status=403) is Outcome.RATE_LIMITED


def test_incapsula_blocks() -> None:
    frame = (
        '<html><body><iframe id="main-iframe" src="/_Incapsula_Resource?CWUDNSAI=23"></iframe></body></html>'
    )
    words = "<html><body>Request unsuccessful. Incapsula incident ID: 1-2</body></html>"
    script = (
        '<html><head><script src="/_Incapsula_Resource?SWJIYLWA=719d"></script></head><body></body></html>'
    )
    assert outcome(frame) is outcome(words) is outcome(script) is Outcome.BLOCKED


@in_turn(
    "body",
    [
        f"<html><body>{RECAPTCHA}</body></html>",
        '<html><body><rdv-captchetat token="x"></rdv-captchetat></body></html>',
        '<html><body><form method="post"><input name="captchaUsercode"></form></body></html>',
        '<html><body><iframe src="https://geo.captcha-delivery.com/captcha/?x"></iframe></body></html>',
    ],
)
def test_a_page_that_leads_on_only_through_a_captcha_is_one(body: str) -> None:
    assert outcome(body) is Outcome.CAPTCHA


@in_turn(
    "extra",
    [
        f"<footer>{RECAPTCHA}</footer>",
        '<script src="https://www.google.com/recaptcha/api.js"></script>',
        "<p>Un captcha sera demandé. Site en maintenance dimanche. Service indisponible la nuit.</p>",
        "<p>Protected by Cloudflare. Just a moment... 403 Forbidden, error 1020</p>",
        "<p>Sorry, you have been blocked, says Cloudflare Ray ID: 7abc</p>",
    ],
)
def test_ordinary_pages_that_mention_walls_pass(extra: str) -> None:
    assert detect_block_page(page(ez.full().replace("</body>", f"{extra}</body>"))) is None
    assert detect_block_page(page(ez.terms().replace("</body>", f"{extra}</body>"))) is None


@in_turn("status", [200, 500, 503])
@in_turn("title", ["Site en maintenance", "Service Indisponible - RDV", "Maintenance"])
def test_a_title_that_says_maintenance_is_believed(title: str, status: int) -> None:
    assert outcome(f"<html><title>{title}</title></html>", status=status) is Outcome.MAINTENANCE


def test_503_with_retry_after_is_maintenance_and_without_is_the_platforms() -> None:
    assert detect_block_page(page("", status=503, retry_after="120")) == Reading(
        Outcome.MAINTENANCE, "HTTP 503 with Retry-After", retry_after=120.0
    )
    assert detect_block_page(page("", status=503)) is None


@pytest.mark.rule("3.1")
@in_turn(
    "status, expected",
    [
        (401, Outcome.BLOCKED),
        (403, Outcome.BLOCKED),
        (404, Outcome.UNREADABLE),
        (418, Outcome.UNREADABLE),
        (500, Outcome.UNREACHABLE),
        (520, Outcome.UNREACHABLE),
    ],
)
def test_statuses_that_no_rule_claims(status: int, expected: Outcome) -> None:
    assert read("<html><body>?</body></html>", status=status).outcome is expected


def test_what_no_rule_understood_says_what_it_was() -> None:
    reason = read("<html><title>Météo</title></html>").reason
    assert reason == "understood by no rule: HTTP 200, 35 bytes, title 'Météo'"


# What a platform answers


def answering(answer: Any) -> Any:
    def reads(_: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(read_page=reads)


@pytest.mark.rule("3.1")
def test_an_exception_in_a_reader_is_unreadable_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    reading = classify_page(answering(KeyError("slots")), page("<html>?</html>"))
    assert (reading.outcome, reading.reason) == (Outcome.UNREADABLE, "the reader failed: KeyError: 'slots'")
    assert caplog.records[0].exc_info


@pytest.mark.rule("3.2")
def test_slots_without_a_slot_are_refused() -> None:
    assert classify_page(answering(Reading(Outcome.SLOTS)), page("x")).outcome is Outcome.UNREADABLE


@pytest.mark.rule("3.2")
def test_an_absence_that_covers_nothing_is_refused() -> None:
    assert (
        classify_page(answering(Reading(Outcome.NO_SLOTS, "none")), page("x")).outcome is Outcome.UNREADABLE
    )


@in_turn("body", ["", " \n\t "])
def test_an_empty_body_is_never_an_answer_whatever_the_platform_makes_of_it(body: str) -> None:
    told = answering(Reading(Outcome.NO_SLOTS, "none", covered=(CoveredWindow(),)))
    assert classify_page(told, page(body)).outcome is Outcome.UNREADABLE


@in_turn("body", [b"\xff\xfe\x00", b"\0" * 100, b"<" * 5000, b"<html>" * 3000, "é".encode("latin-1")])
def test_no_bytes_break_the_reading(body: bytes) -> None:
    reading = classify_page(platform("ezbooking"), page(body))
    assert reading.outcome is Outcome.UNREADABLE
    assert "failed" not in reading.reason


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


def list_pages() -> Iterable[Path]:
    """Return one page of each platform and outcome: walls are looked for before any platform reads."""
    read = [case for case in CASES if load(case).is_html and expected(case)["outcome"] in READ]
    return {(case.parent.name, expected(case)["outcome"]): case for case in read}.values()


@pytest.mark.rule("3.2")
@in_turn("beside", sorted(BESIDE))
@in_turn("case", list_pages, name_of)
def test_what_looks_like_a_wall_beside_a_page_that_is_read_changes_nothing(case: Path, beside: str) -> None:
    page, extra = load(case), BESIDE[beside].encode()
    before, end, after = page.body.rpartition(b"</body>")
    whole = expected(case)
    for changed in (before + extra + end + after, page.body.replace(b"<body>", b"<body>" + extra, 1)):
        shown = proven(replace(page, body=changed), case.parent.name)
        assert shown == {key: whole[key] for key in shown}


@pytest.mark.rule("3.2")
@in_turn("which", sorted(WALLS))
@in_turn("name", FIRST)
def test_a_wall_is_a_wall_to_every_platform(name: str, which: str) -> None:
    page = replace(load(FIRST[name]), body=WALLS[which].encode(), status=200, headers={})
    reading = classify_page(platform(name), page)
    assert reading.outcome is (Outcome.CAPTCHA if which == "datadome" else Outcome.BLOCKED)
    assert (reading.slots, reading.covered, reading.asks) == ((), (), ())


@in_turn("case", CASES, name_of)
def test_a_golden_page_is_read_as_expected(case: Path) -> None:
    page, file = load(case), case / "expected.json"
    said = describe(classify_page(platform(case.parent.name), page), page.visit.zone)
    if not expected(case) and os.environ.get("GOLDEN") == "write":
        file.write_text(json.dumps(case_file(case) | said, ensure_ascii=False, indent=2) + "\n")
    assert expected(case), f"{file} expects nothing: GOLDEN=write writes it, read it before you commit it"
    assert said == expected(case)


def list_html() -> list[Path]:
    return [case for case in CASES if kind(case) == ".html"]


@in_turn("case", list_html, name_of)
def test_a_page_whose_accents_stand_apart_is_read_the_same(case: Path) -> None:
    page, written = load(case), body(case).decode("utf-8", "surrogateescape")
    apart = replace(page, body=unicodedata.normalize("NFD", written).encode("utf-8", "surrogateescape"))
    said = describe(classify_page(platform(case.parent.name), apart), page.visit.zone)
    composed = json.loads(unicodedata.normalize("NFC", json.dumps(said, ensure_ascii=False)))
    assert _without_size(composed) == _without_size(expected(case))


def _without_size(said: dict[str, Any]) -> dict[str, Any]:
    return said | {"reason": re.sub(r"\d+ bytes", "", said.get("reason", ""))}
