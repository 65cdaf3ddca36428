"""Every form of the pages: without its token, with another one, from another site, about another's, and what it refuses."""

import re
from collections.abc import Callable

from flask import Flask
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
from tests.api.pages.walk.answers import check_answer, read_digests
from tests.api.pages.walk.population import Population
from tests.clients import Browser
from tests.factories import EMAIL, PASSWORD, rows
from tests.in_turn import in_turn

VISITORS = ("sign_in.sign_in", "sign_in.sign_in_with_code", "sign_in.register", "sign_in.send_reset")
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
        "personal_data.delete_account",  # a plan runs
        "sign_in.send_confirmation", "security.end_login", "security.end_others", "security.remove_factor", "security.keep_factor",
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
    victim.get("/login")
    victim.send("/login", email="anna.secret@example.org", password="correct horse battery")
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
    (WISH, NEW, {"procedures[]": []}, "Choisissez au moins une démarche"),
    (WISH, NEW, {"deskIds[]": "melun_77/x"}, "n’est pas valable"),
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
    ("/register", "/register", {"password": PASSWORD, "email": "zoé@exemple.fr"}, "« é » avant le @"),
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
        is_shown = name != "password" and isinstance(typed[name], str) and read
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
