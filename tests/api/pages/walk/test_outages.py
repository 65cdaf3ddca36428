"""Pages while PostgreSQL or Redis is away, and while the clock steps."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from tests.api.pages.walk.addresses import FORMS, PAGES, fill_address
from tests.api.pages.walk.answers import check_answer
from tests.api.pages.walk.population import Population
from tests.api.pages.walk.test_forms import find_token
from tests.clients import Browser, Page

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
    for address in PAGES.values():
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
    for address in PAGES.values():
        answer = anna.client.get(fill_address(address, population.ids), headers=anna.headers)
        assert answer.status_code < 500, address
        check_answer(answer)
    for endpoint, (address, fields) in FORMS.items():
        token = tokens["sign_in.sign_in" if endpoint == "sign_in.sign_in" else "sign_in.sign_out"]
        url = fill_address(address, population.ids)
        answer = anna.client.post(url, data=fields | {"csrf_token": token}, headers=anna.headers)
        assert answer.status_code < 500, endpoint
