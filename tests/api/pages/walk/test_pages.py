"""A walk over every page by each role: nothing but what was expected, also in an outage, and nothing of another person."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from tests.api.pages.walk.addresses import (
    FORMS,
    PAGES,
    fill_address,
    list_addresses,
    list_operator_addresses,
    list_rules,
    list_samples,
)
from tests.api.pages.walk.answers import check_answer, check_keeping, read_digests
from tests.api.pages.walk.population import ROLES, SECRETS, Population
from tests.api.pages.walk.test_forms import find_token
from tests.clients import Browser, Page
from tests.in_turn import in_turn

# Pages about a thing that has an owner: 404 for all others.
OWNED = {
    endpoint
    for endpoint, address in PAGES.items()
    if "{" in address and endpoint.startswith(("alert_", "invoice_", "plan."))
}
LEADING = {  # pages that lead to another one
    "alert_pages.list_alerts": 302,
    "alert_pages.show_proof": 302,
    "invoice_pages.send_pdf": 303,  # while the file is being made
    "security.show_codes": 303,
    "personal_data.download_export": 303,  # no archive was made
}


def test_every_page_has_a_sample(app: Flask) -> None:
    samples = list_samples(list_addresses(app)) | set(list_operator_addresses(app))
    assert {rule.endpoint for rule in list_rules(app, "GET")} == samples


def read_access(app: Flask, endpoint: str) -> str:
    if endpoint.startswith("assets."):
        return "public"
    return str(getattr(app.view_functions[endpoint.split(maxsplit=1)[0]], "access", "link"))


def expect_status(role: str, endpoint: str, access: str) -> int:
    if access in ("personal", "proven"):
        if role == "visitor":
            return 303
        if endpoint in OWNED and role != "anna":
            return 404
    return LEADING.get(endpoint, 200)


def ask(browser: Browser, population: Population, endpoint: str) -> TestResponse:
    address = list_addresses(population.app)[endpoint]
    return browser.client.get(fill_address(address, population.ids), headers=browser.headers)


def walk(population: Population, browser: Browser, role: str) -> dict[str, TestResponse]:
    """Open every page; return the answers by endpoint."""
    answers = {}
    for endpoint in list_addresses(population.app):
        answer = answers[endpoint] = ask(browser, population, endpoint)
        access = read_access(population.app, endpoint)
        assert answer.status_code == expect_status(role, endpoint, access), (endpoint, answer.text[-900:])
        check_answer(answer)
        check_keeping(answer, access)
    return answers


@in_turn("role", [role for role in ROLES if role != "support"])  # who walks in the other languages
def test_pages_answer_as_expected_and_show_nothing_of_others(population: Population, role: str) -> None:
    browser = population.browse(role)
    before = read_digests()
    answers = walk(population, browser, role)
    assert read_digests() == before, "a page that is opened changes nothing"
    shown = {
        name: [endpoint for endpoint, answer in answers.items() if secret in answer.get_data(as_text=True)]
        for name, secret in SECRETS.items()
    }
    own = [
        endpoint
        for endpoints in shown.values()
        for endpoint in endpoints
        if not endpoint.startswith("links.")
    ]
    assert all(shown.values()) if role == "anna" else own == [], shown


def test_public_pages_are_the_same_for_each_person_and_mix_no_languages(population: Population) -> None:
    """Parts of them are kept by us, and all by caches on the way: what one person gets another one may be shown."""
    browsers = [population.browse(role) for role in ("anna", "neighbour", "visitor")]
    for endpoint in list_addresses(population.app):
        if read_access(population.app, endpoint) != "public":
            continue
        kept: dict[str, tuple[bytes, str | None]] = {}
        for language in ("fr", "ar", "fr"):  # once more: what was kept of the other language is not shown
            for browser in browsers:
                browser.headers["Accept-Language"] = language
                answer = ask(browser, population, endpoint)
                found = answer.data, answer.headers.get("ETag")
                assert kept.setdefault(language, found) == found, (endpoint, language)
        if kept["fr"] != kept["ar"]:
            assert "Accept-Language" in answer.headers["Vary"], endpoint
        if endpoint in ("ledger.show_ledger", "status.show_status", "home.show_home"):
            assert b'<html lang="ar"' in kept["ar"][0], endpoint
            assert b'<html lang="fr"' in kept["fr"][0], endpoint


def test_what_one_request_says_is_in_no_other_answer(population: Population) -> None:
    visitor, anna = (population.browse(role) for role in ("visitor", "anna"))
    for endpoint, address in list_addresses(population.app).items():
        path = fill_address(address, population.ids).partition("?")[0]
        headers = {"Host": "mark.example", "Cookie": anna.cookie_header}
        other = anna.client.get(f"{path}?mark=anna%40secret", headers=headers)
        assert "mark.example" not in other.text + other.headers.get("Location", ""), endpoint
        answer = ask(visitor, population, endpoint)
        assert "secret" not in answer.text.replace(SECRETS["address"], ""), endpoint
        assert "mark.example" not in answer.text, endpoint


@pytest.mark.journey
@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("role", ROLES)
def test_pages_answer_in_the_other_languages(population: Population, role: str, language: str) -> None:
    walk(population, population.browse(role, language), role)


NOWHERE = "postgresql://x:x@127.0.0.1:1/x"
WORDS = {"fr": "Le service ne répond pas", "en": "The service is not responding", "ar": "الخدمة لا تستجيب"}
# Pages that read nothing, or what Redis keeps, which a test's Redis does not.
ALONE = (
    "/",
    "/login",
    "/register",
    "/confirm",
    "/forgot",
    "/conditions",
    "/contact",
    "/mediation",
    "/departements",
    "/robots.txt",
)


@pytest.mark.parametrize(
    "language", ["ar", *(pytest.param(each, marks=pytest.mark.journey) for each in ("fr", "en"))]
)
def test_without_a_database_pages_say_when_to_come_back(
    population: Population, settings_env: Callable[..., None], language: str
) -> None:
    anna = population.browse("anna", language)
    token = find_token(anna, "sign_in.sign_out")
    settings_env(DATABASE_URL=NOWHERE)
    refused = 0
    for address in list_addresses(population.app).values():
        answer = anna.client.get(fill_address(address, population.ids), headers=anna.headers)
        refused += _check(answer, language)
    assert refused > 25
    for endpoint in ("alert_pages.create_alert", "plan.cancel", "security.change_password"):
        address, fields = FORMS[endpoint]
        url = fill_address(address, population.ids)
        answer = anna.client.post(url, data=fields | {"csrf_token": token}, headers=anna.headers)
        assert _check(answer, language)
    for address in ALONE:
        assert anna.client.get(address, headers=anna.headers).status_code == 200, address


def _check(answer: TestResponse, language: str) -> bool:
    """Return whether an answer is a refusal, and check it."""
    if answer.status_code != 503:
        assert answer.status_code < 400, answer.request.path
        return False
    assert answer.headers["Retry-After"] == "5", answer.request.path
    assert answer.headers["Cache-Control"] == "no-store"
    page = Page(answer.text)
    assert dict(page.tags)["html"]["lang"] == language
    assert page.headings == [WORDS[language]]
    assert "1" in page.text.partition(WORDS[language])[2].partition("503")[0], "when to come back"
    return True


def test_without_redis_pages_are_shown_and_the_sign_in_says_when_to_come_back(
    population: Population, settings_env: Callable[..., None], make_app: Callable[[], Flask]
) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1/0")
    visitor = Browser(make_app())
    for address in ("/", "/carte", "/statut", "/fiabilite", "/departements/bobigny_93", "/login"):
        visitor.get(address)
        assert visitor.status == 200, address
    page = visitor.send("/login", email="anna.secret@example.org", password="x")
    assert (visitor.status, page.headings) == (503, [WORDS["fr"]])
    assert visitor.response.headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    "days", [-2, *(pytest.param(each, marks=pytest.mark.journey) for each in (-0.001, 2, 40, 400))]
)
def test_a_clock_that_steps_breaks_no_page(
    population: Population, frozen: time_machine.Traveller, days: float
) -> None:
    anna = population.browse("anna")
    anna.get("/login")
    tokens = {endpoint: find_token(anna, endpoint) for endpoint in ("sign_in.sign_in", "sign_in.sign_out")}
    frozen.shift(timedelta(days=days))
    for address in list_addresses(population.app).values():
        answer = anna.client.get(fill_address(address, population.ids), headers=anna.headers)
        assert answer.status_code < 500, address
        check_answer(answer)
    for endpoint, (address, fields) in FORMS.items():
        token = tokens["sign_in.sign_in" if endpoint == "sign_in.sign_in" else "sign_in.sign_out"]
        url = fill_address(address, population.ids)
        answer = anna.client.post(url, data=fields | {"csrf_token": token}, headers=anna.headers)
        assert answer.status_code < 500, endpoint
