"""A walk over every page and form: by each role nothing but what was expected, also in an outage; no form without its token, from another site, about another's."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from api.models.login import Login
from api.models.report import NetworkSalt, PageOpening
from tests.api.pages.walk.addresses import (
    FORMS,
    LINKS,
    OPEN_FORMS,
    OPERATOR_FORMS,
    PAGES,
    check_answer,
    check_keeping,
    fill_address,
    list_addresses,
    list_operator_addresses,
    list_rules,
    list_samples,
    read_digests,
)
from tests.api.pages.walk.population import ROLES, SECRETS, Population
from tests.clients import Browser, Page
from tests.factories import EMAIL, PASSWORD, remove, rows
from tests.in_turn import in_turn

VISITORS = (
    "sign_in.sign_in", "sign_in.sign_in_with_code", "sign_in.register", "sign_in.send_reset", "sign_in.take_code",
    "sign_in.repeat_mail", "sign_in.correct_address", "waiting.take_address",
    "help.send_request",
)  # fmt: skip
FEW = (
    "alert_pages.create_alert",
    "plan.order",
    "security.change_password",
)  # one check meets each form's token
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
    return read_token(browser, "/forgot" if endpoint in VISITORS else "/canaux")


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


@in_turn("given", ["none", "another login", "a visitor", "long"])
def test_without_its_token_a_form_is_refused_and_changes_nothing(population: Population, given: str) -> None:
    anna = population.browse("anna")
    strangers = {
        "another login": lambda: find_token(population.browse("neighbour"), "sign_in.sign_out"),
        "a visitor": lambda: find_token(anna, "sign_in.sign_in"),
    }
    token = strangers[given]() if given in strangers else {"none": None, "long": "é" * 5000}[given]
    before = read_digests()
    for endpoint in FORMS if given == "none" else FEW:
        answer = send(anna, population, endpoint, token)
        assert answer.status_code == 403, (endpoint, answer.status_code)
        check_answer(answer)
    assert read_digests() == before


@in_turn("headers", ELSEWHERE)
def test_from_another_site_a_form_is_refused_although_its_token_is_right(
    population: Population, headers: dict[str, str]
) -> None:
    anna = population.browse("anna")
    tokens = {endpoint: find_token(anna, endpoint) for endpoint in ("sign_in.sign_in", "sign_in.sign_out")}
    before = read_digests()
    for endpoint in FORMS if headers is ELSEWHERE[0] else FEW:
        token = tokens["sign_in.sign_in" if endpoint in VISITORS else "sign_in.sign_out"]
        answer = send(anna, population, endpoint, token, **headers)
        assert answer.status_code == 403, endpoint
        assert "csrf_token" not in answer.text, "no page that would send it by one more press"
    assert read_digests() == before


def test_with_its_token_each_form_is_taken(population: Population) -> None:
    """The refusals above are not for another reason."""
    anna, changed = population.browse("anna"), set()
    before = read_digests()
    for endpoint in FORMS:
        answer = send(anna, population, endpoint, find_token(anna, endpoint))
        assert answer.status_code in (200, 303, 409, 422), (endpoint, answer.status_code, answer.text[-600:])
        check_answer(answer)
        changed |= {endpoint} if (after := read_digests()) != before else set()
        before = after
    unchanged = set(FORMS) - changed
    assert unchanged <= {
        "sign_in.sign_in", "sign_in.sign_in_with_code", "sign_in.prove", "channels.take_phone_code",
        "plan.order", "plan.open_portal", "plan.cancel", "plan.undo_cancellation", "security.take_setup", "security.renew_codes",
        "organisation.ask", "organisation.accept", "organisation.accept_newest_contract", "organisation_money.pay",
        "organisation_money.accept",  # nothing has a price
        "personal_data.delete_account",  # a plan runs
        "sign_in.repeat_mail",  # a mail left a moment ago
        "people.import_file",  # a file is sent in parts: tests/api/organisations/test_people_file.py
        "sign_in.send_confirmation", "security.end_login", "security.end_others", "security.remove_factor", "security.keep_factor",
        "security.unlink_provider",
        "alert_pages.close_alert", "preferences.take_new_email",
    }, unchanged  # fmt: skip


def test_links_in_messages_and_forms_without_a_login_read_no_cookie(population: Population) -> None:
    """A link's secret is the token in its path, which another site does not know: a form token would add nothing."""
    alone = population.app.test_client(use_cookies=False)
    for name, (address, fields) in (LINKS | OPEN_FORMS).items():
        path = fill_address(address, population.ids)
        answer = alone.post(path, data=fields)
        assert answer.status_code in (200, 409), path  # nothing was paid yet
        assert name in LINKS or "Set-Cookie" not in answer.headers, "a link may tell the browser whose it is"


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


@in_turn("has_access", [True, False])
def test_who_signed_out_is_out_with_copies_of_all_cookies_too(
    population: Population, *, has_access: bool
) -> None:
    anna = population.browse("anna")
    copies = anna.cookies
    token = find_token(anna, "sign_in.sign_out")
    if not has_access:
        anna.forget_access()
    assert send(anna, population, "sign_in.sign_out", token).status_code == 303
    assert set(anna.cookies) <= {"__Host-session"}, "nothing was renewed"
    for left in (("__Host-access",), ("__Host-refresh",), ("__Host-access", "__Host-refresh")):
        anna.cookies = {name: value for name, value in copies.items() if name in left}
        assert anna.client.get("/dashboard").status_code == 303, left
        assert send(anna, population, "sign_in.send_confirmation", token).status_code == 401, left


def test_a_sign_in_keeps_nothing_that_was_there_before(
    population: Population, browse: Callable[..., Browser]
) -> None:
    """Session fixation: cookies and tokens that somebody else put into the browser are worth nothing after it."""
    victim, thief = browse(), population.browse("neighbour")
    victim.cookies = thief.cookies
    token = find_token(thief, "sign_in.sign_out")
    before = {each.id for each in rows(Login)}
    fields = {"email": "anna.secret@example.org", "password": "correct horse battery"}
    fields |= {"csrf_token": find_token(victim, "sign_in.sign_in")}
    victim.response = victim.client.post("/login", data=fields, headers=victim.headers)
    assert victim.status == 303
    check_answer(victim.response)
    assert victim.response.headers.getlist("Set-Cookie")
    (made,) = (each for each in rows(Login) if each.id not in before)
    assert made.user_id == population.users["anna"]
    assert victim.cookies["__Host-access"] != thief.cookies["__Host-access"]
    assert send(victim, population, "sign_in.sign_out", token).status_code == 403


MARKUP = '"><script>alert(1)</script>'
NEW, EDIT, FOUND = "/alertes/nouvelle", "/alertes/{alert}/modifier", "/alertes/{alert}/trouve"
WISH = f"{NEW}?prefecture=bobigny_93&procedure=TITRE_SEJOUR"
_SUBSCRIPTION: dict[str, object] = {
    key: text for key, text in FORMS["channels.add_device"][1].items() if key != "name"
}
# The page with the form, what its action ends with, what is typed, and the words beside the field that is typed last.
OF_USERS: tuple[tuple[str, str, dict[str, object], str], ...] = (
    (WISH, NEW, {"target": []}, "Choisissez au moins une démarche"),
    (WISH, NEW, {"target": "melun_77/x"}, "n’est pas valable"),
    (WISH, NEW, {"name": "A" * 10_000}, "80 caractères"),
    (WISH, NEW, {"limits.weekdays[]": "9" * 10_000}, "nombre entier"),
    (WISH, NEW, {"limits.dateFrom": "2027-02-01", "limits.dateTo": "2027-01-01"}, "précéder"),
    (WISH, NEW, {"limits.hourFrom": "midi"}, "n’est pas valable"),
    (EDIT, "/modifier", {"limits.dateTo": "2020-01-01", "name": "A" * 10_000}, "80 caractères"),
    (FOUND, "/trouve", {"day": "2027-01-01", "hour": ""}, "Écrivez aussi l’heure."),
    (FOUND, "/trouve", {"hour": "09:30", "day": ""}, "Écrivez aussi le jour."),
    (FOUND, "/trouve", {"hour": "09:30", "day": "2999-01-01"}, "trop éloignée"),
    (FOUND, "/trouve", {"hour": "09:30", "day": "demain"}, "n’est pas valable"),
    (FOUND, "/trouve", {"place": "A" * 10_000}, "200 caractères"),
    (FOUND, "/trouve", {"place": MARKUP, "day": MARKUP, "hour": MARKUP}, "n’est pas valable"),
    ("/preferences", "/preferences", {"quietFrom": "22:00", "quietUntil": "22:00"}, "une autre heure que"),
    ("/preferences", "/preferences", {"callsFrom": "09:00", "callsUntil": "09:00"}, "une autre heure que"),
    ("/preferences", "/preferences", {"slotRhythm": MARKUP}, "n’est pas valable"),
    ("/profil", "/profil/reglages", {"language": MARKUP}, "n’est pas valable"),
    ("/profil", "/profil/reglages", {"timeZone": ""}, "nécessaire"),
    ("/profil", "/profil/adresse", {"email": ""}, "Écrivez votre adresse e-mail."),
    ("/profil", "/profil/adresse", {"email": f"{MARKUP}@example.org"}, "Cette adresse n’est pas valable."),
    ("/canaux", "/canaux/numero", {"phone": ""}, "Écrivez votre numéro."),
    ("/canaux", "/canaux/numero", {"phone": MARKUP}, "Ce numéro n’est pas valable."),
    ("/canaux", "/canaux/numero", {"phone": "+1 202 555 0143"}, "numéros mobiles de France"),
    ("/canaux", "/canaux/navigateurs", _SUBSCRIPTION | {"name": ""}, "Donnez un nom à ce navigateur."),
    ("/securite", "/securite/mot-de-passe", {"password": ""}, "Écrivez un nouveau mot de passe."),
    ("/securite", "/securite/mot-de-passe", {"password": "anna.secret@example.org"}, "facile à deviner"),
)  # fmt: skip
OF_VISITORS: tuple[tuple[str, str, dict[str, object], str], ...] = (
    ("/login", "/login", {"email": "nobody@example.org", "password": PASSWORD}, "Aucun compte n’a cette"),
    ("/login", "/login", {"email": "anna.secret@example.org", "password": "wrong"}, "Aucun compte n’a cette"),
    ("/login", "/login", {"password": "", "email": ""}, "Écrivez votre adresse e-mail."),
    ("/login", "/login", {"password": "x", "email": "a\0b@example.org"}, "Un caractère invisible"),
    ("/register", "/register", {"password": PASSWORD, "email": "camille"}, "n’est pas valable"),
    ("/register", "/register", {"password": PASSWORD, "email": "zoé@exemple.fr"}, "«\xa0é\xa0» avant le @"),
    ("/register", "/register", {"email": EMAIL, "password": "password1234"}, "facile à deviner"),
)  # fmt: skip


@in_turn("role, refusals", [("anna", OF_USERS), ("visitor", OF_VISITORS)])
def test_a_refusal_is_said_beside_its_field_and_keeps_what_was_typed(
    population: Population, role: str, refusals: tuple[tuple[str, str, dict[str, object], str], ...]
) -> None:
    browser, before = population.browse(role), read_digests()
    for url, action, typed, words in refusals:
        opened = browser.get(fill_address(url, population.ids))
        opened.forms = [each for each in opened.forms if each["attributes"]["action"].endswith(action)]
        page = browser.send(action, **typed)
        name = [*typed][-1]
        field = "f-" + re.sub(r"\W+", "-", name).strip("-")
        said = page.html.partition(f'id="{field}-error">')[2].partition("</p>")[0]
        assert (browser.status, words in said) == (422, True), (url, typed, said)
        assert page.title.startswith("Erreur : ")
        assert MARKUP not in page.html
        (kept,) = (each["fields"] for each in page.forms if each["attributes"]["action"].endswith(action))
        read = str(typed[name]).replace("\0", "\N{REPLACEMENT CHARACTER}")  # as browsers do
        selects = [at["name"] for tag, at in page.tags if tag == "select"]  # which cannot show what they lack
        is_shown = name not in ("password", *selects) and isinstance(typed[name], str) and read
        assert not is_shown or kept.get(name, [read]) == [read], (url, name)
        assert not any(at.get("value") for _, at in page.tags if at.get("type") == "password")
    assert read_digests() == before


def test_nobody_sends_a_form_about_what_is_anothers(population: Population) -> None:
    neighbour = population.browse("neighbour")
    before = read_digests()
    for endpoint, (address, fields) in FORMS.items():
        if "{" in address and endpoint.startswith(("alert_pages.", "plan.")):
            data = fields | {"csrf_token": find_token(neighbour, endpoint)}
            url = fill_address(address, population.ids)
            answer = neighbour.client.post(url, data=data, headers=neighbour.headers)
            assert answer.status_code == 404, (endpoint, answer.status_code)
    assert read_digests() == before


# Pages about a thing that has an owner: 404 for all others.
OWNED = {
    endpoint
    for endpoint, address in PAGES.items()
    if "{" in address
    and endpoint.startswith(("alert_", "invoice_", "organisation_money.", "people.", "plan."))
} | {"programs.show_programs", "people.show_import", "people.send_people", "organisation_money.show_money"}
LEADING = {  # pages that lead to another one
    "alert_pages.list_alerts": 302,
    "alert_pages.show_proof": 302,
    "organisation_money.send_document": 303,
    "invoice_pages.send_pdf": 303,  # while the file is being made
    "security.show_codes": 303,
    # without a provider
    "sign_in.ask_provider": 303,
    "sign_in.take_provider_answer": 303,
    "security.ask_provider": 303,
    "links.show_link page": 303,
    "looks.open_page": 303,
    "personal_data.download_export": 303,  # no archive was made
}


def test_every_page_has_a_sample(app: Flask) -> None:
    samples = list_samples(list_addresses(app)) | set(list_operator_addresses(app))
    assert {rule.endpoint for rule in list_rules(app, "GET")} == samples


def read_access(app: Flask, endpoint: str) -> str:
    if endpoint.startswith("assets."):
        return "public"
    return str(getattr(app.view_functions[endpoint.split(maxsplit=1)[0]], "access", "link"))


# Pages of visitors that lead on who is signed in.
AROUND_SIGN_IN = (
    "sign_in.show_sign_in",
    "sign_in.show_registration",
    "sign_in.show_confirmation",
    "waiting.ask_address",
    "help.show_form",
)


def expect_status(role: str, endpoint: str, access: str) -> int:
    if endpoint in AROUND_SIGN_IN and role != "visitor":
        return 200 if (role, endpoint) == ("newcomer", "sign_in.show_confirmation") else 303
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


@in_turn("role", ["anna", "neighbour", "visitor"])  # the others walk in the other languages
def test_pages_answer_as_expected_and_show_nothing_of_others(population: Population, role: str) -> None:
    browser = population.browse(role)
    before = read_digests()
    answers = walk(population, browser, role)
    for noted in (PageOpening, NetworkSalt):  # the way to a desk's page notes its moment, and from where
        remove(noted)
    after = read_digests()
    for each in (before, after):
        each.pop("audit", None)  # who saw the data of a person helped
    assert after == before, "a page that is opened changes nothing"
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
        if read_access(population.app, endpoint) != "public":
            continue  # what is a person's own is kept nowhere: check_keeping
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


@pytest.mark.journey
@pytest.mark.parametrize(
    "days", [-2, *(pytest.param(each, marks=pytest.mark.journey) for each in (-0.001, 2, 40, 400))]
)
def test_a_clock_that_steps_breaks_no_page(
    population: Population, frozen: time_machine.Traveller, days: float
) -> None:
    anna = population.browse("anna")
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
