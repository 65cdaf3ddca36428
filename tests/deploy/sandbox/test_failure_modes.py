"""Each way a site can misbehave, on the wire."""

import gzip
import http.client
import socket
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from deploy.sandbox.modes import MODES
from deploy.sandbox.running import Running

Visit = Callable[[str | int], Any]
PAGE = "/booking/create/48803/0"
SENTENCE = "Il n'existe plus de plage horaire libre"
WEEK = "/ezjscore/call/bookingserver::planning::assign::48803::48804::0"


def reach_week(visitor: Any) -> Any:
    visitor.get(PAGE)
    visitor.send(PAGE, condition="on", nextButton="x")
    return visitor.get(WEEK)


@pytest.mark.parametrize(
    ("mode", "status", "words"),
    [
        ("overload", 200, ["<h1>Service surchargé</h1>", "de rendez-vous disponibles pour le moment"]),
        ("overload_502", 502, ["<h1>502 Bad Gateway</h1>", "invalid or incomplete response"]),
        ("overload_503", 503, ["<h1>503 Service Unavailable</h1>"]),
        ("overload_504", 504, ["<h1>504 Gateway Timeout</h1>"]),
        ("block", 403, ["Forbidden"]),
        ("cloudflare", 403, ["<title>Just a moment...</title>", "challenge-form", "_cf_chl_opt", "Ray ID"]),
        ("captcha", 200, ["g-recaptcha-response"]),
        ("maintenance", 503, ["<title>Site en maintenance"]),
        ("layout", 200, ["nouvelle présentation"]),
        ("closed", 200, ["Ce lien a été désactivé définitivement"]),
        ("rate_limited", 429, ["429 Too Many Requests"]),
        ("error200", 200, ["Une erreur est survenue"]),
    ],
)
def test_pages_that_are_no_answer(
    visit: Visit, sandbox: Running, mode: str, status: int, words: list[str]
) -> None:
    sandbox.mode(77, mode)
    answer = visit(77).get(PAGE)
    assert answer.status == status
    assert all(word in answer.text for word in words)
    assert SENTENCE not in answer.text
    assert 'id="condition"' not in answer.text
    assert ">libre<" not in answer.text


def test_retry_after_comes_with_maintenance_and_rate_limit_only(visit: Visit, sandbox: Running) -> None:
    found = {}
    for mode in ("maintenance", "rate_limited", "overload_503"):
        sandbox.mode(77, mode, **({"retry_after": 17} if mode != "overload_503" else {}))
        found[mode] = visit(77).get(PAGE).headers["Retry-After"]
    assert found == {"maintenance": "17", "rate_limited": "17", "overload_503": None}


def test_maintenance_may_come_with_status_200(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "maintenance", status=200)
    answer = visit(77).get(PAGE)
    assert (answer.status, answer.headers["Retry-After"]) == (200, None)
    assert "maintenance" in answer.text


@pytest.mark.parametrize("mode", ["cloudflare", "captcha", "closed", "overload"])
@pytest.mark.parametrize("status", [200, 403, 503])
def test_the_status_of_a_page_can_be_chosen(visit: Visit, sandbox: Running, mode: str, status: int) -> None:
    sandbox.mode(77, mode, status=status)
    assert visit(77).get(PAGE).status == status


def test_a_mode_lasts_as_many_requests_as_it_was_given(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "block", count=2)
    assert [visit(77).get(PAGE).status for _ in range(3)] == [403, 403, 200]


def test_a_mode_of_one_form_leaves_the_other_alone(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(93, "closed", form=9845)
    assert "désactivé" in visit(93).get("/booking/create/9845/0").text
    assert "désactivé" not in visit(93).get("/booking/create/16105/0").text


def test_a_site_has_its_mode_alone(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "block")
    assert visit(93).get("/booking/create/9845/0").status == 200


def test_the_ban_counts_requests_and_refuses_all_for_long(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(93, "ban", requests=3, seconds=60, minutes=40)
    statuses = [visit(93).get("/booking/create/9845/0").status for _ in range(6)]
    assert statuses == [200, 200, 200, 403, 403, 403]
    assert visit(93).get("/booking/create/16105/0").status == 403
    sandbox.mode(93, "normal")
    assert visit(93).get("/booking/create/9845/0").status == 200


def test_hang_answers_well_but_late(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "hang", seconds=0.3)
    start = time.monotonic()
    answer = visit(77).get(PAGE)
    assert time.monotonic() - start >= 0.3
    assert 'id="condition"' in answer.text


def test_hang_forever_does_not_answer_and_the_request_is_noted(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "hang_forever")
    with pytest.raises(TimeoutError):
        visit(77).ask("GET", PAGE, timeout=0.3)
    assert [(seen.path, seen.status) for seen in sandbox.requests(77)] == [(PAGE, 0)]
    # Other requests do not wait for it.
    assert visit(93).get("/booking/create/9845/0").status == 200


def test_reset_cuts_the_connection_in_the_middle(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "reset")
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        visit(77).get(PAGE)


def test_drip_gives_a_byte_at_a_time(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "drip", seconds=0.1)
    visitor = visit(77)
    with socket.create_connection((visitor.host, visitor.port), timeout=60) as wire:
        wire.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        start, body = time.monotonic(), b""
        while len(body.partition(b"\r\n\r\n")[2]) < 4:
            body += wire.recv(65536)
    assert time.monotonic() - start >= 0.25
    assert len(body.partition(b"\r\n\r\n")[2]) < 8


def test_big_is_as_big_as_asked(visit: Visit, sandbox: Running) -> None:
    assert MODES["big"] == {"megabytes": 10}
    sandbox.mode(77, "big", megabytes=2)
    assert len(visit(77).get(PAGE).body) == 2_000_000


def test_endless_never_ends(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "endless")
    visitor = visit(77)
    with socket.create_connection((visitor.host, visitor.port), timeout=60) as wire:
        wire.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = 0
        while got < 3_000_000:
            part = wire.recv(1 << 20)
            assert part
            got += len(part)
    assert visit(93).get("/booking/create/9845/0").status == 200


def test_empty_is_an_empty_page(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "empty")
    answer = visit(77).get(PAGE)
    assert (answer.status, answer.body) == (200, b"")


def test_truncated_gzip_cannot_be_unpacked_whole(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "truncated_gzip")
    visitor = visit(77)
    answer = visitor.get(PAGE)
    assert answer.headers["Content-Encoding"] == "gzip"
    with pytest.raises(EOFError):
        gzip.decompress(answer.body)
    begun = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(answer.body)
    assert begun.startswith(b"<!DOCTYPE html>")
    # The session was given all the same: only the page is spoilt.
    assert visitor.send(PAGE, condition="on", nextButton="x").location == "/booking/create/48803/2"


def test_bad_charset_declares_what_the_bytes_are_not(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "bad_charset")
    answer = visit(77).get(PAGE)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    with pytest.raises(UnicodeDecodeError):
        answer.body.decode()
    assert "Département" in answer.body.decode("latin-1") or "département" in answer.body.decode("latin-1")
    sandbox.mode(77, "bad_charset", charset="x-unknown")
    assert visit(77).get(PAGE).headers["Content-Type"] == "text/html; charset=x-unknown"


def test_redirect_loop_leads_to_itself(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "redirect_loop")
    answer = visit(77).get(PAGE)
    assert (answer.status, answer.location) == (302, PAGE)


def test_redirect_away_leads_to_another_host(visit: Visit, sandbox: Running) -> None:
    sandbox.mode(77, "redirect_away")
    assert visit(77).get(PAGE).location == "http://127.77.9.9/"
    sandbox.mode(77, "redirect_away", location="https://example.org/")
    assert visit(77).get(PAGE).location == "https://example.org/"


@pytest.mark.parametrize("status", [500, 200])
def test_a_broken_calendar_spoils_the_calendar_only(visit: Visit, sandbox: Running, status: int) -> None:
    sandbox.open_slots(77, 48803)
    sandbox.mode(77, "calendar_broken", status=status)
    answer = reach_week(visit(77))
    assert answer.status == status
    assert "colspan" not in answer.text
    assert "/5/" not in answer.text


def test_without_a_calendar_the_desk_is_open_and_no_hour_is_known(visit: Visit, sandbox: Running) -> None:
    sandbox.open_slots(77, 48803)
    sandbox.mode(77, "no_calendar")
    visitor = visit(77)
    assert reach_week(visitor).status == 404
    assert visitor.get("/booking/create/48803/3").status == 200
    visitor.send("/booking/create/48803/3", nextButton="Etape suivante")
    page = visitor.get("/booking/create/48803/4").text
    assert "etape_4r" in page
    assert "bookingserver" not in page


def test_the_other_form_of_no_slot(visit: Visit, sandbox: Running) -> None:
    sandbox.open_slots(93, 9845)
    sandbox.mode(93, "error_sentence")
    visitor = visit(93)
    visitor.get("/booking/create/9845/0")
    assert visitor.send("/booking/create/9845/0", condition="on", nextButton="x").location.endswith("/2")
    page = visitor.get("/booking/create/9845/2").text
    assert '<ul class="error">' in page
    assert "<li>Il n'y a pas calendrier disponible" in page
    assert "<li>Veuillez réessayer ultérieurement.</li>" in page
    assert SENTENCE not in page


def test_every_mode_answers_or_is_known_not_to(visit: Visit, sandbox: Running) -> None:
    for mode in sorted(set(MODES) - {"hang_forever", "reset", "drip", "endless", "big", "hang"}):
        sandbox.mode(77, mode)
        assert visit(77).get(PAGE).status in {200, 302, 403, 429, 502, 503, 504}, mode
