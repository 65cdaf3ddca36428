"""Sign-in by an OpenID Connect provider, against the server of oidc-provider-mock: https://pypi.org/project/oidc-provider-mock/"""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import flask
import pyotp
import pytest
import requests
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

from api.auth.service import reset_by_token
from api.models.base import session
from api.models.login import EndedBecause, Identity, Login
from api.models.notification import Notification
from api.models.user import Contact, User
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.signing import ResetPassword, write_token
from tests.clients import Browser
from tests.factories import EMAIL, PASSWORD, add_account, change, one, rows
from tests.in_turn import in_turn

CLIENT = "rdvpriority-tests"
JSON = {"Content-Type": "application/json"}
CLAIMS: dict[str, Any] = {"email": EMAIL, "email_verified": True}


class Provider:
    """An OpenID Connect provider for tests: `spoil` changes the claims of an ID token, which is signed anew."""

    def __init__(self) -> None:
        import oidc_provider_mock

        self.app: Flask = oidc_provider_mock.app(require_nonce=True)
        self.server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.issuer = f"http://127.0.0.1:{self.server.port}"
        self.spoil: Callable[[dict[str, Any]], object] = dict
        self.key: RSAKey | None = None
        self.tell: Any = {}  # in place of its metadata
        self.challenges: dict[str, str] = {}
        self.app.after_request(self._spoil)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _spoil(self, response: flask.Response) -> flask.Response:
        if flask.request.path == "/.well-known/openid-configuration" and self.tell != {}:
            known = response.get_json()
            response.set_data(json.dumps(known | self.tell if isinstance(self.tell, dict) else self.tell))
        if flask.request.path == "/oauth2/token" and response.status_code == 200:
            told = response.get_json()
            own = RSAKey.import_key(flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True))
            claims = jwt.decode(told["id_token"], own).claims
            self.spoil(claims)
            key = self.key or own
            told["id_token"] = jwt.encode({"alg": "RS256", "kid": own.kid}, claims, key)
            response.set_data(json.dumps(told))
            digest = hashlib.sha256(flask.request.form["code_verifier"].encode()).digest()
            proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            assert proof in self.challenges, "PKCE: the verifier is not that of the question"
        return response

    def know(self, subject: str, **claims: Any) -> None:
        requests.put(
            f"{self.issuer}/users/{subject}", data=json.dumps(CLAIMS | claims), headers=JSON, timeout=5
        ).raise_for_status()

    def sign_in(self, url: str, subject: str) -> str:
        """Sign in at the provider, and return where it leads the browser back to."""
        asked = parse_qs(urlsplit(url).query)
        assert asked["code_challenge_method"] == ["S256"]
        self.challenges[asked["code_challenge"][0]] = subject
        answer = requests.post(url, data={"sub": subject}, allow_redirects=False, timeout=5)
        return answer.headers["Location"]


@pytest.fixture
def provider(settings_env: Callable[..., None]) -> Iterator[Provider]:
    made = Provider()
    settings_env(
        OIDC_ISSUER=made.issuer, OIDC_CLIENT_ID=CLIENT, OIDC_CLIENT_SECRET="x" * 24, OIDC_NAME="Essai"
    )
    yield made
    made.server.shutdown()


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


def answer_to(browser: Browser, provider: Provider, subject: str, start: str = "/login/fournisseur") -> str:
    browser.get(start)
    assert browser.status == 303
    back = urlsplit(provider.sign_in(browser.response.headers["Location"], subject))
    return f"{back.path}?{back.query}"


def come_back(browser: Browser, provider: Provider, subject: str, **where: str) -> str:
    """Go through the provider and back; return what the page that it leads to says."""
    browser.get(answer_to(browser, provider, subject, **where))
    return browser.follow().text if browser.status == 303 else browser.page.text


def test_a_new_person_has_a_confirmed_account_without_a_password(
    browser: Browser, provider: Provider
) -> None:
    provider.know("42")
    assert "Continuer avec Essai" in browser.get("/login?next=alert_pages.show_new_alert").text
    where = "/login/fournisseur?next=alert_pages.show_new_alert"
    assert "Nouvelle alerte" in come_back(browser, provider, "42", start=where)
    assert (one(User).email, one(User).password_hash) == (EMAIL, None)
    assert one(Contact).verified_at is not None
    assert [each.kind for each in rows(Notification)] == ["welcome"]
    assert (one(Identity).issuer, one(Identity).subject) == (provider.issuer, "42")
    # It is known by its id, whatever its address is later.
    provider.know("42", email="other@example.org")
    come_back(browser, provider, "42")
    assert len(rows(User)) == 1
    browser.get("/securite")
    browser.send("/securite/sans-fournisseur")
    assert "Choisissez un mot de passe" in browser.follow().text
    assert len(rows(Identity)) == 1


def test_a_strangers_registration_of_the_address_gets_nothing(browser: Browser, provider: Provider) -> None:
    stranger = add_account(confirmed=False).id
    kept = Browser(browser.client.application)
    kept.give_login(stranger)
    provider.know("42")
    browser.headers["Accept-Language"] = "ar"
    come_back(browser, provider, "42")
    assert (one(User).id, one(User).password_hash) == (stranger, None)
    assert {each.language for each in rows(Notification)} == {"ar"}
    assert "Location" in kept.client.get("/dashboard").headers, "the stranger's login ended"
    assert {each.ended_because for each in rows(Login)} == {None, EndedBecause.ADDRESS_CONFIRMED}


def test_an_account_with_a_password_is_linked_by_who_gave_it_only(
    browser: Browser, provider: Provider
) -> None:
    user = add_account()
    provider.know("42")
    assert "a déjà cette adresse et un mot de passe" in come_back(browser, provider, "42")
    assert (rows(Identity), rows(Login)) == ([], [])
    browser.give_login(user.id)
    change(Login, proven_at=clock().replace(year=2020))
    browser.get("/securite/fournisseur")
    browser.follow()
    # The page's policy lets its form lead to no other site
    browser.send("/prove", password=PASSWORD)
    assert browser.location == "/securite"
    browser.follow()
    state = parse_qs(urlsplit(answer_to(browser, provider, "42", "/securite/fournisseur")).query)["state"][0]
    browser.get(f"/login/retour?error=access_denied&state={state}")
    assert browser.location == "/securite"
    assert "C’est lié" in come_back(browser, provider, "42", start="/securite/fournisseur")
    told = one(Notification, Notification.kind == "address_changed").params
    assert told == {"changed": "provider", "shown": "Essai"}
    # From now on it signs in, and is no proof of the password.
    other = Browser(browser.client.application)
    assert "Mes alertes" in come_back(other, provider, "42")
    other.get("/securite/application")
    assert "/prove" in other.response.headers["Location"]
    browser.get("/securite")
    browser.send("/securite/sans-fournisseur")
    assert "plus lié" in browser.follow().text
    assert rows(Identity) == []


def test_the_second_factor_is_asked_for_as_before(browser: Browser, provider: Provider) -> None:
    user = add_account()
    secret = pyotp.random_base32()
    change(User, User.id == user.id, totp_secret=secret, totp_confirmed_at=clock())
    with session() as s:
        s.add(Identity(user_id=user.id, issuer=provider.issuer, subject="42", created_at=clock()))
    assert "Votre code" in come_back(browser, provider, "42")
    assert rows(Login) == []
    browser.send("/login/code", code=pyotp.TOTP(secret).now())
    browser.get("/securite/codes")
    assert browser.location == "/securite"
    browser.get("/securite/application")
    assert "/prove" in browser.location, "the code is no proof of the password"


def test_a_first_password_is_no_way_round_the_second_factor(browser: Browser, provider: Provider) -> None:
    provider.know("42")
    come_back(browser, provider, "42")
    secret = pyotp.random_base32()
    change(User, User.email == EMAIL, totp_secret=secret, totp_confirmed_at=clock())
    change(Login, proven_at=clock().replace(year=2020))
    browser.get("/prove?next=security.show_security")
    for code, said in (("", "Écrivez aussi le code"), ("123456", "ce code est faux")):
        assert said in browser.send("/prove", password=PASSWORD, code=code).text
    assert one(User).password_hash is None
    browser.send("/prove", password=PASSWORD, code=pyotp.TOTP(secret).now())
    assert browser.location == "/securite"


def test_one_account_of_the_provider_signs_in_to_one_account(browser: Browser, provider: Provider) -> None:
    provider.know("42", email="first@example.org")
    come_back(browser, provider, "42")
    second = Browser(browser.client.application)
    second.give_login(add_account().id)
    assert "déjà lié à un autre compte" in come_back(second, provider, "42", start="/securite/fournisseur")
    assert one(Identity).user_id != second_user().id


def second_user() -> User:
    return one(User, User.email == EMAIL)


def test_a_mailbox_that_the_provider_has_not_confirmed_opens_nothing(
    browser: Browser, provider: Provider
) -> None:
    for claims in ({"email_verified": False}, {"email_verified": None}):
        provider.know("42", **claims)
        assert "n’a pas confirmé votre adresse" in come_back(browser, provider, "42")
    assert rows(User) == []


def test_a_reset_of_the_password_by_mail_ends_the_link(browser: Browser, provider: Provider) -> None:
    provider.know("42")
    come_back(browser, provider, "42")
    sent = ResetPassword(one(Contact).id, digest(EMAIL), digest(""))
    reset_by_token(write_token(sent), PASSWORD, lambda _: True)
    assert rows(Identity) == []


def test_a_new_password_ends_the_link_that_who_knew_the_old_one_may_have_made(
    browser: Browser, provider: Provider
) -> None:
    user = add_account()
    provider.know("666")
    browser.give_login(user.id)
    browser.get("/securite/fournisseur")
    come_back(browser, provider, "666", start="/securite/fournisseur")
    assert len(rows(Identity)) == 1
    browser.get("/securite")
    browser.send("/securite/mot-de-passe", password="ein anderes Wort 7")
    assert "Votre mot de passe est changé" in browser.follow().text
    assert rows(Identity) == []
    come_back(Browser(browser.client.application), provider, "666")
    assert rows(Identity) == []


def test_an_issuer_with_a_slash_at_its_end_is_as_good(
    browser: Browser, provider: Provider, settings_env: Callable[..., None]
) -> None:
    provider.know("42")
    provider.tell = {"issuer": f"{provider.issuer}/"}
    provider.spoil = lambda claims: claims.update(iss=f"{provider.issuer}/")
    settings_env(OIDC_ISSUER=f"{provider.issuer}/")
    come_back(browser, provider, "42")
    assert one(Identity).issuer == provider.issuer


@in_turn(
    "said",
    [[], None, "x", {"issuer": 3}, {"jwks_uri": 1, "authorization_endpoint": [], "a": "x" * 2_000_000}],
)
def test_a_provider_that_says_nonsense_of_itself_signs_nobody_in(
    browser: Browser, provider: Provider, said: Any
) -> None:
    provider.tell = said
    browser.get("/login/fournisseur")
    assert "n’a pas abouti" in browser.follow().text


def test_a_link_of_another_provider_is_none_of_this_one(browser: Browser, provider: Provider) -> None:
    user = add_account()
    with session() as s:
        s.add(Identity(user_id=user.id, issuer="https://former.example", subject="42", created_at=clock()))
    browser.give_login(user.id)
    assert "Pas en place" in browser.get("/securite").text.partition("Connexion par Essai")[2]


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another issuer": lambda claims: claims.update(iss="https://evil.example"),
    "another client": lambda claims: claims.update(aud="another"),
    "for another party": lambda claims: claims.update(aud=[CLIENT, "another"], azp="another"),
    "another question's": lambda claims: claims.update(nonce="x"),
    "no nonce": lambda claims: claims.pop("nonce"),
    "too old": lambda claims: claims.update(exp=clock().timestamp() - 600),
    "nobody": lambda claims: claims.update(sub=""),
    "no address": lambda claims: claims.update(email="nobody"),
}


@in_turn("forgery", [*FORGERIES, "signed by another key"])
def test_a_token_that_is_not_for_us_and_this_question_signs_nobody_in(
    browser: Browser, provider: Provider, forgery: str
) -> None:
    provider.know("42")
    provider.spoil = FORGERIES.get(forgery, dict)
    provider.key = None if forgery in FORGERIES else RSAKey.generate_key(2048)
    assert "n’a pas abouti" in come_back(browser, provider, "42")
    assert (rows(User), rows(Login)) == ([], [])


def test_the_longest_way_on_is_kept_in_a_cookie_that_browsers_take(
    browser: Browser, provider: Provider
) -> None:
    provider.know("42")
    where = f"alert_pages.show_new_alert?{urlencode({'name': 'a' * 1960})}"
    way_on = answer_to(browser, provider, "42", f"/login/fournisseur?{urlencode({'next': where})}")
    cookies = browser.response.headers.getlist("Set-Cookie")
    assert max(map(len, cookies)) < 3400, "beside a provider's long address 4,096 bytes hold it"
    browser.get(way_on)
    assert "Nouvelle alerte" in browser.follow().text


def test_an_answer_is_taken_once_and_by_the_browser_that_asked(browser: Browser, provider: Provider) -> None:
    provider.know("42")
    answer = answer_to(browser, provider, "42")
    thief = Browser(browser.client.application)
    thief.get(answer)
    assert "n’a pas abouti" in thief.follow().text
    browser.get(answer.replace("state=", "state=x"))
    assert "n’a pas abouti" in browser.follow().text
    browser.get(answer)
    assert "n’a pas abouti" in browser.follow().text, "a question is good for one answer"
    assert rows(Login) == []


def test_another_sites_link_begins_no_linking(browser: Browser, provider: Provider) -> None:
    browser.give_login(add_account().id)
    headers = browser.headers | {"Sec-Fetch-Site": "cross-site"}
    assert browser.client.get("/securite/fournisseur", headers=headers).status_code == 403


def test_where_the_provider_is_away_the_sign_in_says_so(browser: Browser, provider: Provider) -> None:
    provider.server.shutdown()
    provider.server.server_close()
    provider.issuer = "http://127.0.0.1:9"
    browser.get("/login/fournisseur")
    assert "n’a pas abouti" in browser.follow().text


def test_a_provider_that_hangs_holds_few_threads(app: Flask, settings_env: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections and never answers
        issuer = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        settings_env(
            OIDC_ISSUER=issuer, OIDC_CLIENT_ID=CLIENT, OIDC_CLIENT_SECRET="x" * 24, PROVIDER_CALL_SECONDS="1"
        )
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: app.test_client().get("/login/fournisseur"), range(8)))
        assert {urlsplit(each.headers["Location"]).path for each in found} == {"/login"}
        hanging.settimeout(0.1)
        assert [take(hanging) for _ in range(4)] == [True] * 3 + [False]


def take(server: socket.socket) -> bool:
    """Take a connection that waits; return whether there was one."""
    try:
        server.accept()[0].close()
    except TimeoutError:
        return False
    return True


def test_without_its_settings_there_is_none(browser: Browser) -> None:
    assert "Continuer avec" not in browser.get("/login").text
    browser.get("/login/fournisseur")
    assert "n’a pas abouti" in browser.follow().text
    assert "Continuer avec" not in browser.get("/register").text
