from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine

from configs.world.outcome import Outcome
from crawler.block_pages import classify_page, detect_block_page
from crawler.platforms import platform
from crawler.reading import CoveredWindow, Reading
from tests.crawler import ezbooking_pages as ez
from tests.crawler.pages import page, read

CHALLENGE = '<html><head><title>Just a moment...</title></head><body>{}<form id="challenge-form"></form></body></html>'
RECAPTCHA = '<form method="POST"><div class="g-recaptcha" data-sitekey="x"></div></form>'


def outcome(body: str, **how: Any) -> Outcome | None:
    reading = detect_block_page(page(body, **how))
    return reading.outcome if reading else None


@pytest.mark.parametrize("status", [200, 403, 503])
@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("status", [200, 500, 503])
@pytest.mark.parametrize("title", ["Site en maintenance", "Service Indisponible - RDV", "Maintenance"])
def test_a_title_that_says_maintenance_is_believed(title: str, status: int) -> None:
    assert outcome(f"<html><title>{title}</title></html>", status=status) is Outcome.MAINTENANCE


def test_503_with_retry_after_is_maintenance_and_without_is_the_platforms() -> None:
    assert detect_block_page(page("", status=503, retry_after="120")) == Reading(
        Outcome.MAINTENANCE, "HTTP 503 with Retry-After", retry_after=120.0
    )
    assert detect_block_page(page("", status=503)) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 90 ", 90.0),
        ("Fri, 20 Nov 2026 09:01:00 GMT", 60.0),
        ("Fri, 20 Nov 2026 09:01:00 -0000", 60.0),
        ("Fri, 20 Nov 2026 08:00:00 GMT", 0.0),
        pytest.param("9" * 400, 366 * 86400.0, id="endless"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 366 * 86400.0),
        ("soon", None),
        ("-5", None),
        ("\u00b2", None),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    with time_machine.travel(datetime(2026, 11, 20, 9, tzinfo=UTC), tick=False):
        reading = detect_block_page(page("", status=429, retry_after=value))
    assert reading == Reading(Outcome.RATE_LIMITED, "HTTP 429", retry_after=seconds)


@pytest.mark.rule("3.1")
@pytest.mark.parametrize(
    ("status", "expected"),
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


@pytest.mark.rule("3.2")
def test_a_wall_is_seen_before_the_platform() -> None:
    told = answering(Reading(Outcome.NO_SLOTS, "none", covered=(CoveredWindow(),)))
    assert classify_page(told, page(CHALLENGE.format(""))).outcome is Outcome.BLOCKED


@pytest.mark.parametrize("body", ["", " \n\t "])
def test_an_empty_body_is_never_an_answer_whatever_the_platform_makes_of_it(body: str) -> None:
    told = answering(Reading(Outcome.NO_SLOTS, "none", covered=(CoveredWindow(),)))
    assert classify_page(told, page(body)).outcome is Outcome.UNREADABLE


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00", b"\0" * 100, b"<" * 5000, b"<html>" * 3000, "é".encode("latin-1")]
)
def test_no_bytes_break_the_reading(body: bytes) -> None:
    reading = classify_page(platform("ezbooking"), page(body))
    assert reading.outcome is Outcome.UNREADABLE
    assert "failed" not in reading.reason
