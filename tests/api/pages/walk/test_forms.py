"""Every form of the pages, sent without its token, with another one, and from another site."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.models.login import Login
from tests.api.pages.walk.addresses import (
    FORMS,
    LINKS,
    OPEN_FORMS,
    OPERATOR_FORMS,
    fill_address,
    list_rules,
    list_samples,
)
from tests.api.pages.walk.answers import check_answer
from tests.api.pages.walk.population import Population
from tests.api.pages.walk.tables import read_digests
from tests.clients import Browser
from tests.factories import rows

VISITORS = ("sign_in.sign_in", "sign_in.sign_in_with_code", "sign_in.register", "sign_in.send_reset")
ELSEWHERE = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "null"},
)


_tokens: dict[
    tuple[str, frozenset[tuple[str, str]]], str
] = {}  # by the page, and the cookies that it was read with


def read_token(browser: Browser, address: str) -> str:
    """Return the token of a page's forms. Who comes with the same cookies has the same one: it is read once."""
    key = address, frozenset(browser.cookies.items())
    if key not in _tokens:
        _tokens[key] = str(re.findall(r'name="csrf_token" value="([^"]+)"', browser.get(address).html)[0])
    return _tokens[key]


def find_token(browser: Browser, endpoint: str) -> str:
    """Return the token of a form: that of the browser's login, or of a visitor."""
    return read_token(browser, "/login" if endpoint in VISITORS else "/canaux")


def send(
    browser: Browser, population: Population, endpoint: str, token: str | None, **headers: str
) -> TestResponse:
    address, fields = FORMS[endpoint]
    data = fields | ({} if token is None else {"csrf_token": token})
    url = fill_address(address, population.ids)
    return browser.client.post(url, data=data, headers=browser.headers | headers)


def test_every_form_has_a_sample(app: Flask) -> None:
    known = set(FORMS) | set(OPERATOR_FORMS) | list_samples(LINKS) | set(OPEN_FORMS)
    assert {rule.endpoint for rule in list_rules(app, "POST")} == known
    assert all(getattr(app.view_functions[each], "access", None) for each in (*FORMS, *OPERATOR_FORMS))


@pytest.mark.parametrize("given", ["none", "another login", "a visitor", "long"])
def test_without_its_token_a_form_is_refused_and_changes_nothing(population: Population, given: str) -> None:
    anna = population.browse("anna")
    strangers = {
        "another login": lambda: find_token(population.browse("neighbour"), "sign_in.sign_out"),
        "a visitor": lambda: find_token(anna, "sign_in.sign_in"),
    }
    token = strangers[given]() if given in strangers else {"none": None, "long": "é" * 5000}[given]
    before = read_digests()
    for endpoint in FORMS:
        if given == "a visitor" and endpoint in VISITORS:
            continue
        answer = send(anna, population, endpoint, token)
        assert answer.status_code == 403, (endpoint, answer.status_code)
        check_answer(answer)
    assert read_digests() == before


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_from_another_site_a_form_is_refused_although_its_token_is_right(
    population: Population, headers: dict[str, str]
) -> None:
    anna = population.browse("anna")
    tokens = {endpoint: find_token(anna, endpoint) for endpoint in ("sign_in.sign_in", "sign_in.sign_out")}
    before = read_digests()
    for endpoint in FORMS:
        token = tokens["sign_in.sign_in" if endpoint in VISITORS else "sign_in.sign_out"]
        answer = send(anna, population, endpoint, token, **headers)
        assert answer.status_code == 403, endpoint
        assert "csrf_token" not in answer.text, "no page that would send it by one more press"
    assert read_digests() == before


def test_with_its_token_each_form_is_taken(population: Population) -> None:
    """The refusals above are not for another reason."""
    anna, changed = population.browse("anna"), set()
    for endpoint in FORMS:
        before = read_digests()
        answer = send(anna, population, endpoint, find_token(anna, endpoint))
        assert answer.status_code in (200, 303, 409, 422), (endpoint, answer.status_code, answer.text[-600:])
        check_answer(answer)
        changed |= {endpoint} if read_digests() != before else set()
    unchanged = set(FORMS) - changed
    assert unchanged <= {
        "sign_in.sign_in", "sign_in.sign_in_with_code", "sign_in.prove", "channels.take_phone_code",
        "plan.order", "plan.open_portal", "plan.cancel", "plan.undo_cancellation", "security.take_setup", "security.renew_codes",
        "personal_data.delete_account",  # a plan runs
        "sign_in.send_confirmation", "security.end_login", "security.end_others", "security.remove_factor", "security.keep_factor",
        "alert_pages.close_alert", "preferences.take_new_email",
    }, unchanged  # fmt: skip


def test_links_in_messages_need_no_cookie_and_read_none(population: Population, client: FlaskClient) -> None:
    """Their secret is the token in their path, which another site does not know: a form token would add nothing."""
    alone = population.app.test_client(use_cookies=False)
    for address, fields in LINKS.values():
        path = fill_address(address, population.ids)
        assert alone.post(path, data=fields).status_code in (200, 409), path  # nothing was paid yet


def test_a_link_that_is_forged_or_of_another_kind_does_nothing(population: Population) -> None:
    paths = [fill_address(address, population.ids) for address, _ in LINKS.values()]
    before = read_digests()
    for (_, data), path, other in zip(LINKS.values(), paths, [*paths[1:], paths[0]], strict=True):
        kind, _, signed = path.partition(".")
        for forged in ("", "x", signed[:-4] + "AAAA", signed[1:], "%00", "é", other.partition(".")[2]):
            for method in ("GET", "POST"):
                answer = population.app.test_client().open(
                    f"{kind}.{forged}", method=method, data=data if method == "POST" else None
                )
                assert (answer.status_code, "est pas valable" in answer.text) == (400, True), (kind, forged)
    assert read_digests() == before


def test_forms_without_a_login_read_no_cookie(population: Population) -> None:
    alone = population.app.test_client(use_cookies=False)
    for address, fields in OPEN_FORMS.values():
        answer = alone.post(address, data=fields)
        assert answer.status_code == 200, address
        assert "Set-Cookie" not in answer.headers


def test_who_signed_out_is_out_with_copies_of_all_cookies_too(population: Population) -> None:
    anna = population.browse("anna")
    copies = anna.cookies
    token = find_token(anna, "sign_in.sign_out")
    assert send(anna, population, "sign_in.sign_out", token).status_code == 303
    assert set(anna.cookies) <= {"__Host-notice"}
    for left in (("__Host-access",), ("__Host-refresh",), ("__Host-access", "__Host-refresh")):
        anna.cookies = {name: value for name, value in copies.items() if name in left}
        assert anna.client.get("/dashboard").status_code == 303, left
        assert send(anna, population, "sign_in.send_confirmation", token).status_code == 401, left


def test_a_sign_out_renews_nothing(population: Population) -> None:
    anna = population.browse("anna")
    token = find_token(anna, "sign_in.sign_out")
    anna.client.delete_cookie("__Host-access")
    answer = send(anna, population, "sign_in.sign_out", token)
    assert answer.status_code == 303
    assert set(anna.cookies) <= {"__Host-notice"}


def test_a_sign_in_keeps_nothing_that_was_there_before(
    population: Population, browse: Callable[..., Browser]
) -> None:
    """Session fixation: cookies and tokens that somebody else put into the browser are worth nothing after it."""
    victim, thief = browse(), population.browse("neighbour")
    victim.cookies = thief.cookies
    token = find_token(thief, "sign_in.sign_out")
    before = {each.id for each in rows(Login)}
    victim.get("/login")
    victim.send("/login", email="anna.secret@example.org", password="correct horse battery")
    assert victim.status == 303
    (made,) = (each for each in rows(Login) if each.id not in before)
    assert made.user_id == population.users["anna"]
    assert victim.cookies["__Host-access"] != thief.cookies["__Host-access"]
    assert send(victim, population, "sign_in.sign_out", token).status_code == 403
