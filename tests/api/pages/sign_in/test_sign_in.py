from collections.abc import Callable

import pyotp
import pytest

from api.models.login import Login
from api.models.user import User
from configs.ground.clock import clock
from tests.clients import Browser
from tests.factories import EMAIL, PASSWORD, add_account, change, rows


def test_a_user_signs_in_and_out(visitor: Browser) -> None:
    add_account()
    page = visitor.sign_in().page
    assert page.headings == ["Mes alertes"]
    assert visitor.response.headers["Cache-Control"] == "no-store"
    visitor.send("/logout")
    assert "Vous êtes déconnecté." in visitor.follow().text
    assert [login.ended_because for login in rows(Login)] == ["logged_out"]
    visitor.get("/dashboard")
    assert visitor.location.startswith("/login")


def test_cookies_are_for_this_host_and_no_script(visitor: Browser) -> None:
    add_account()
    visitor.get("/login")
    visitor.send("/login", email=EMAIL, password=PASSWORD)
    cookies = visitor.response.headers.getlist("Set-Cookie")
    names = {each.partition("=")[0] for each in cookies}
    assert names == {"__Host-access", "__Host-refresh", "__Host-known"}
    for each in cookies:
        assert all(flag in each for flag in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age="))
        assert "Domain" not in each


def test_the_cookies_open_nothing_of_the_api(camille: Browser) -> None:
    assert camille.client.get("/api/auth/me").status_code == 401


def test_a_bearer_token_opens_no_page(visitor: Browser, person: Callable[..., object]) -> None:
    made = person()
    answer = visitor.client.get("/dashboard", headers=made.headers)  # type: ignore[attr-defined]
    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("email", "password", "text"),
    [
        (EMAIL, "wrong password 12", "Aucun compte n’a cette adresse et ce mot de passe."),
        ("nobody@example.org", PASSWORD, "Aucun compte n’a cette adresse et ce mot de passe."),
        ("", "", "Écrivez votre adresse e-mail."),
        ("a\0b@example.org", "x", "Un caractère invisible n’est pas permis ici"),
    ],
)
def test_a_wrong_login_says_so_beside_the_field_and_keeps_the_address(
    visitor: Browser, email: str, password: str, text: str
) -> None:
    add_account()
    visitor.get("/login")
    page = visitor.send("/login", email=email, password=password)
    assert visitor.status == 422
    assert text in page.text
    assert page.title.startswith("Erreur : Se connecter")
    assert not password or f'value="{password}"' not in page.html
    assert "<script>alert" not in page.html
    if email == EMAIL:
        assert f'value="{EMAIL}"' in page.html


def add_second_factor() -> pyotp.TOTP:
    secret = pyotp.random_base32()
    change(User, totp_secret=secret, totp_confirmed_at=clock())
    return pyotp.TOTP(secret)


def test_a_second_factor_is_asked_for(visitor: Browser) -> None:
    add_account()
    factor = add_second_factor()
    visitor.get("/login?next=dashboard.show_dashboard?payment=success")
    page = visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert page.headings == ["Votre code"]
    assert rows(Login) == []
    page = visitor.send("/login/code", code="000000")
    assert (visitor.status, "Ce code est faux" in page.text) == (422, True)
    visitor.send("/login/code", code=factor.at(clock()))
    assert visitor.location == "/dashboard?payment=success"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example", "//evil.example", "dashboard.show_dashboard?_external=1&_scheme=javascript",
        "logins.login", "assets.send_asset?version=x&name=y",
    ],
)  # fmt: skip
def test_the_target_is_a_page_of_ours_or_the_dashboard(visitor: Browser, target: str) -> None:
    add_account()
    visitor.get("/login")
    visitor.send("/login", email=EMAIL, password=PASSWORD, next=target)
    assert visitor.location == "/dashboard"


def test_a_page_that_needs_a_login_is_opened_after_it(visitor: Browser) -> None:
    add_account()
    visitor.get("/dashboard?payment=success&plan=URGENCE_7J&lang=en")
    assert visitor.status == 303
    visitor.follow()
    visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert "payment=success" in visitor.location
    assert "plan=URGENCE_7J" in visitor.location


def test_guesses_at_an_account_end_in_a_page(visitor: Browser) -> None:
    add_account()
    visitor.get("/login")
    for _ in range(10):
        visitor.send("/login", email=EMAIL, password="wrong password")
    page = visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert (visitor.status, page.headings) == (429, ["Trop de demandes"])
