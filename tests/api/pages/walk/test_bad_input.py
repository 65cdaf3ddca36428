"""Rubbish in all fields of forms, in addresses, headers and bodies."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from werkzeug.test import TestResponse

from api.models.alert import Alert
from api.models.appointment import Appointment
from api.models.contact_lookup import TelegramLink
from tests.api.pages.walk.addresses import (
    FORMS,
    LINKS,
    OPEN_FORMS,
    check_answer,
    fill_address,
    list_addresses,
)
from tests.api.pages.walk.population import SECRETS, Population
from tests.api.pages.walk.test_forms import find_token
from tests.clients import Browser
from tests.desk_proofs import make_ready_to_order
from tests.factories import change
from tests.in_turn import in_turn

SCRIPT = '"><script data-injected>alert(1)</script>'
MARKUP = f"""'{SCRIPT}<i data-injected>' data-injected='1" data-injected="1 {{{{7919*7907}}}} {{% raise %}} %(x)s %s \u202e😀"""
LONG = "x" * 10_000
# Refused beside a field, or taken because nothing is stored or read of it; a hidden id of a prefecture may be 404.
TAKEN = (200, 303, 404, 409, 422, 429)
SECRET_FIELDS = ("password", "code")
# Text fields whose long text must come back with 422.
TYPED = {
    ("sign_in.register", "email"), ("sign_in.send_reset", "email"), ("sign_in.sign_in", "email"),
    ("alert_pages.create_alert", "name"), ("alert_pages.edit_alert", "name"), ("alert_pages.report_found", "place"),
    ("preferences.change_address", "email"), ("channels.send_phone_code", "phone"),
    ("alert_pages.create_alert", "limits.dateFrom"), ("alert_pages.report_found", "hour"),
}  # fmt: skip


@pytest.fixture
def anna(population: Population) -> Browser:
    return population.browse("anna")


def post(browser: Browser, population: Population, endpoint: str, /, **changes: Any) -> TestResponse:
    """Send a form with its token; the login is a new one where the form before ended it."""
    if browser.client.get("/canaux/telegram/etat", headers=browser.headers).status_code != 200:
        browser.give_login(population.users["anna"])
    address, fields = FORMS[endpoint]
    data = fields | {"csrf_token": find_token(browser, endpoint)} | changes
    return browser.client.post(fill_address(address, population.ids), data=data, headers=browser.headers)


def list_fields() -> Iterator[tuple[str, str]]:
    for endpoint, (_, fields) in FORMS.items():
        yield from ((endpoint, name) for name in fields)


def check_escaped(answer: TestResponse) -> None:
    """Check an answer and that no text became markup or a template."""
    page = check_answer(answer)
    assert SCRIPT not in answer.text
    assert "62615533" not in answer.text, "a template was run"
    injected = [tag for tag, at in page.tags if "data-injected" in at] if page else []
    assert injected == [], answer.request.path


def send_one(browser: Browser, population: Population, endpoint: str, name: str, text: str) -> TestResponse:
    """Send a form with this text in one field; check what every answer keeps."""
    answer = post(browser, population, endpoint, **{name: text})
    assert answer.status_code in TAKEN, (endpoint, name, answer.status_code)
    check_escaped(answer)
    assert name not in SECRET_FIELDS or text not in answer.text, (endpoint, name)
    return answer


@pytest.mark.journey
def test_markup_in_all_fields_is_text(anna: Browser, population: Population) -> None:
    for endpoint, (_, fields) in FORMS.items():
        answer = post(anna, population, endpoint, **dict.fromkeys(fields, MARKUP))
        assert answer.status_code in TAKEN, (endpoint, answer.status_code)
        check_escaped(answer)


@pytest.mark.journey
def test_markup_in_any_field_is_text(anna: Browser, population: Population) -> None:
    for endpoint, name in list_fields():
        send_one(anna, population, endpoint, name, MARKUP)


@pytest.mark.journey
def test_ten_kilobytes_are_refused_beside_their_field(anna: Browser, population: Population) -> None:
    for endpoint, name in list_fields():
        if name in SECRET_FIELDS:
            send_one(anna, population, endpoint, name, LONG)
    for endpoint, name in sorted(TYPED):
        answer = send_one(anna, population, endpoint, name, LONG)
        assert answer.status_code == 422, (endpoint, name)
        assert LONG in answer.text, (endpoint, name)
        field = answer.text.partition(f'name="{name}"')[2].partition(">")[0]
        assert 'aria-invalid="true"' in field, (endpoint, name)
    for endpoint, (_, fields) in FORMS.items():
        most = LONG[: 50_000 // max(len(fields), 1)]  # a larger body is refused as a whole
        answer = post(anna, population, endpoint, **dict.fromkeys(fields, most))
        assert answer.status_code in TAKEN, (endpoint, answer.status_code)


def test_markup_that_was_stored_is_text_on_every_page(population: Population) -> None:
    change(Alert, Alert.name == SECRETS["alert"], name=MARKUP[:80])
    change(Appointment, place=MARKUP)
    change(TelegramLink, chat_name=MARKUP)
    anna = population.browse("anna")
    anna.give_login(population.users["anna"], MARKUP)
    shown = 0
    for address in list_addresses(population.app).values():
        answer = anna.client.get(fill_address(address, population.ids), headers=anna.headers)
        (check_escaped if answer.mimetype != "text/calendar" else check_answer)(answer)
        shown += "data-injected" in answer.text
    assert shown >= 6


@pytest.mark.journey
@pytest.mark.parametrize(
    "text",
    [
        "a\0b\r\nSet-Cookie: a=b",
        *(
            pytest.param(each, marks=pytest.mark.journey)
            for each in ("\0", "\r\n", "\ud800".encode("utf-8", "surrogatepass"), "٣", "-1", "9" * 400)
        ),
    ],
)
def test_no_field_breaks_by_a_strange_character(
    anna: Browser, population: Population, text: str | bytes
) -> None:
    for endpoint, (_, fields) in FORMS.items():
        answer = post(anna, population, endpoint, **dict.fromkeys(fields, text))
        assert answer.status_code in TAKEN, (endpoint, answer.status_code)
        check_answer(answer)


@pytest.mark.journey
def test_bodies_of_other_kinds_are_answered_by_a_page(anna: Browser, population: Population) -> None:
    many = "&".join(f"f{number}=x" for number in range(1000))
    bodies: list[tuple[bytes, str]] = [
        (b'{"email": "x"}', "application/json"),
        (many.encode(), "application/x-www-form-urlencoded"),
        (b"csrf_token=%ff%fe&email=%", "application/x-www-form-urlencoded; charset=utf-16"),
        (b"--b\r\nContent-Disposition: form-data; name=email\r\n\r\nx", "multipart/form-data; boundary=b"),
        (b"x", "multipart/form-data"),
        (b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"x", ""),
    ]
    for endpoint, (address, _) in (FORMS | LINKS | OPEN_FORMS).items():
        path = fill_address(address, population.ids)
        for body, kind in bodies if endpoint in ("sign_in.sign_in", "links.act stop") else bodies[:3:2]:
            answer = anna.client.post(path, data=body, content_type=kind, headers=anna.headers)
            assert answer.status_code in (200, 400, 403, 409, 413, 415, 422), (
                endpoint,
                kind,
                answer.status_code,
            )
            assert answer.mimetype == "text/html", (endpoint, kind)


def test_a_form_in_parts_is_a_form(anna: Browser, population: Population) -> None:
    """A browser sends it so where a page has been changed: nothing may depend on the way."""
    fields = FORMS["preferences.change_settings"][1] | {"csrf_token": find_token(anna, "plan.order")}
    answer = anna.client.post("/profil/reglages", data=fields, content_type="multipart/form-data")
    assert answer.status_code == 303
    parts = {f"f{number}": "x" for number in range(1001)}
    answer = anna.client.post(
        "/profil/reglages", data=parts, content_type="multipart/form-data", headers=anna.headers
    )
    assert (answer.status_code, answer.mimetype) == (413, "text/html")


def test_the_wrong_method_is_answered_by_a_page(anna: Browser, population: Population) -> None:
    pages = [rule for rule in population.app.url_map.iter_rules() if not rule.rule.startswith("/api/")]
    assert {each for rule in pages for each in rule.methods or ()} == {"GET", "HEAD", "OPTIONS", "POST"}
    for address in ("/", "/profil", "/logout", fill_address("/alertes/{alert}", population.ids)):
        answer = anna.client.put(address, headers=anna.headers)
        assert answer.status_code == 405, address
        check_answer(answer)
    for method in ("PATCH", "DELETE", "TRACE", "PROPFIND"):
        assert anna.client.open("/login", method=method, headers=anna.headers).status_code == 405, method
    assert anna.client.get("/logout", headers=anna.headers).status_code == 405


@pytest.mark.journey
def test_every_form_sent_twice_at_once_is_answered_twice(anna: Browser, population: Population) -> None:
    for endpoint, (address, fields) in FORMS.items():
        if anna.client.get("/canaux/telegram/etat", headers=anna.headers).status_code != 200:
            anna.give_login(population.users["anna"])
        data = fields | {"csrf_token": find_token(anna, endpoint)}
        cookies = anna.cookie_header
        url = fill_address(address, population.ids)

        def send(_: int, url: str = url, data: dict[str, str] = data, cookies: str = cookies) -> int:
            client = population.app.test_client(use_cookies=False)
            return client.post(url, data=data, headers=anna.headers | {"Cookie": cookies}).status_code

        with ThreadPoolExecutor(2) as pool:
            codes = list(pool.map(send, range(2)))
        assert set(codes) <= {*TAKEN, 401}, (endpoint, codes)


QUERIES = (
    "lang=ar&lang=fr", "lang=%00", "lang=../../etc", f"lang={LONG}", "page=-1", "page=99999999999999999999", "page=%D9%A3",
    "before=%00", "before=-1", "before=' OR 1=1--", f"before={LONG}", "before=00000000-0000-0000-0000-000000000000",
    "endpoint=x", "values=x", "_external=1&_scheme=javascript", "_anchor=x", "a[]=1&a[]=2&=x&&;", "%ff=%fe",
    "next=//evil.example", "next=dashboard.show_dashboard%3Fendpoint%3Dx", "q=%F0%9F%98%80%00%E2%80%AE", "procedure=%00",
    "prefecture=%00", "desk=/", "plan=%00", "alert=[[[[", "payment=success&plan=%00",
    "&".join(f"f{number}=x" for number in range(300)), "q=" + "%F0%9F%98%80" * 500,
)  # fmt: skip


FEW = ("home.show_home", "sign_in.show_sign_in", "dashboard.show_dashboard", "alert_pages.show_new_alert")
ASKED = ("home.show_home", "alert_pages.show_new_alert", "plan.list_payments")  # by a query


@pytest.mark.parametrize(
    "endpoints", [ASKED, pytest.param((), marks=pytest.mark.journey)], ids=["few", "all"]
)
def test_no_page_breaks_by_its_query(
    anna: Browser, population: Population, endpoints: tuple[str, ...]
) -> None:
    pages = list_addresses(population.app)
    for endpoint in endpoints or pages:
        path = fill_address(pages[endpoint], population.ids).partition("?")[0]
        for query in QUERIES:
            answer = anna.client.get(f"{path}?{query}", headers=anna.headers)
            assert answer.status_code in (200, 301, 302, 303, 304, 404), (
                endpoint,
                query[:60],
                answer.status_code,
            )
            assert "evil.example" not in answer.headers.get("Location", "")
            if answer.status_code == 200 and answer.mimetype == "text/html":
                text = answer.text.replace("http://localhost:4000/", "")  # FRONTEND_URL, as the terms name it
                assert "://localhost" not in text, (endpoint, query[:60])
                assert "javascript:" not in answer.text, (endpoint, query[:60])


PATHS = (
    "//evil.example", "//evil.example/%2e%2e", "/%5cevil.example", "//login", "/departements//bobigny_93", "/LOGIN", "/login%20",
    "/%00", "/%0d%0aSet-Cookie:%20a=b", "/%ff%fe", "/departements/%00", "/departements/..%2f..%2fetc%2fpasswd",
    "/departements/%7B%7B7919*7907%7D%7D", "/departements/%3Cscript%20data-injected%3E", "/alertes/%00", "/alertes/x/modifier",
    "/formule/paiements/-1", "/securite/connexions/x", "/static/x/..%2f..%2fapp.py", "/static/x//etc/passwd",
    "/textes/..%2fconfigs/2026-11-01", "/textes/conditions/%00", "/calendrier/x/y.ics", "/l/stop.", "/l/verify.%00",
    "/l/reset." + "x" * 4000, "/" + "x" * 8000, "/.git/config", "/?lang=ar%22%3E%3Cscript%20data-injected%3E",
)  # fmt: skip


@in_turn("method", ["GET", "POST"])
def test_no_path_leads_elsewhere_or_breaks(anna: Browser, method: str) -> None:
    for path in PATHS:
        raw = path.partition("?")
        environ = {"PATH_INFO": _decode(raw[0]), "QUERY_STRING": raw[2], "RAW_URI": path}
        answer = anna.client.open("/", method=method, headers=anna.headers, environ_overrides=environ)
        assert answer.status_code in (200, 303, 400, 403, 404, 405, 410, 422), (
            path[:60],
            answer.status_code,
        )
        assert re.match(r"/(?![/\\])", answer.headers.get("Location", "/")), path
        assert "evil" not in answer.headers.get("Location", "")
        check_escaped(answer)


def _decode(path: str) -> str:
    """Return a path as a server hands it on: its bytes, one character each (PEP 3333)."""
    return unquote_to_bytes(path).decode("latin-1")


HEADERS: tuple[dict[str, str], ...] = (
    {"Accept-Language": "x" * 8000}, {"Accept-Language": ",".join(["ar;q=0.1"] * 900)},
    {"Accept-Language": "ar;q=\x01, *;q=-1, fr;q=nan"}, {"Accept": "application/json"}, {"Accept": ";;,*/q=x"},
    {"If-None-Match": '"' + "x" * 8000}, {"If-Modified-Since": "never"}, {"Range": "bytes=0-0"},
    {"Accept-Encoding": "gzip;q=x, *;q=2"}, {"X-Request-ID": "<script>"}, {"X-Forwarded-Host": "evil.example"},
    {"Content-Length": "x"}, {"User-Agent": MARKUP.encode("ascii", "ignore").decode()}, {"Referer": "javascript:1"},
    {"Cookie": "__Host-access=x; __Host-refresh=y; __Host-session=z"},
    {"Cookie": "__Host-access=" + "x" * 8000}, {"Cookie": "=;;;,__Host-access=a=b; __Host-access=c"},
    {"Cookie": "__Host-access=eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."},  # pragma: allowlist secret -- unsigned
)  # fmt: skip


@pytest.mark.parametrize("endpoints", [FEW, pytest.param((), marks=pytest.mark.journey)], ids=["few", "all"])
def test_no_page_breaks_by_a_header(population: Population, endpoints: tuple[str, ...]) -> None:
    visitor = population.browse("visitor")
    pages = list_addresses(population.app)
    for endpoint in endpoints or pages:
        for headers in HEADERS:
            url = fill_address(pages[endpoint], population.ids)
            answer = visitor.client.get(url, headers=visitor.headers | headers)
            assert answer.status_code < 500, (endpoint, headers)
            assert "evil.example" not in answer.text + answer.headers.get("Location", ""), endpoint
            if "Accept" not in headers:
                check_answer(answer)


def test_cookies_of_another_kind_open_nothing(population: Population, anna: Browser) -> None:
    access, refresh = (anna.client.get_cookie(name) for name in ("__Host-access", "__Host-refresh"))
    assert access
    assert refresh
    visitor = population.browse("visitor")
    visitor.client.set_cookie("__Host-access", refresh.value)
    assert visitor.client.get("/dashboard").status_code == 303
    visitor.client.delete_cookie("__Host-access")
    visitor.client.set_cookie("__Host-refresh", access.value)
    assert visitor.client.get("/dashboard").status_code == 303
    payload = json.dumps({"csrf_token": "x"})
    assert visitor.client.post("/logout", data=payload, content_type="application/json").status_code == 403


def test_the_form_says_which_plan_is_ordered_not_its_address(population: Population) -> None:
    make_ready_to_order(population.users["support"])
    buyer = population.browse("support")  # without a plan
    data = {"plan": "URGENCE_TOTAL", "csrf_token": find_token(buyer, "plan.order"), "button_code": "order"}
    address = "/formule/commande?plan=URGENCE_24H&prefecture=melun_77&procedure=visa"
    answer = buyer.client.post(address, data=data, headers=buyer.headers)
    assert answer.status_code == 422
    assert "<bdi>URGENCE TOTAL</bdi>" in answer.text
    assert "URGENCE 24H" not in answer.text
