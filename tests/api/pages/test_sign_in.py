"""Pages of the sign-in: registration, sign-in, the password once more."""

from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask, render_template_string

from api.models.base import session
from api.models.login import Login, PendingRegistration
from api.models.user import Contact, User
from api.pages.area import Access, Area
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import VerifyAddress, write_token
from tests.api.conftest import _make
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import EMAIL, PASSWORD, add_account, change, rows

_PAGE = """{% extends "base.html" %}{% block title %}Secret{% endblock %}{% block main %}<h1>Secret</h1>
<form method="post" action="/secret">{{ csrf_field() }}<button>Oui</button></form>{% endblock %}"""


def test_a_registration_keeps_the_plan_and_the_wish(visitor: Browser, door: Door) -> None:
    visitor.get("/register?plan=URGENCE_7J&prefecture=bobigny_93&procedure=TITRE_SEJOUR")
    visitor.send("/register", email=EMAIL, password=PASSWORD)
    page = visitor.follow()
    assert page.headings == ["Confirmez votre adresse"]
    assert "plan.show_order" in page.html
    assert "bobigny_93" in page.html
    (kept,) = rows(PendingRegistration)
    assert kept.wished_plan == "URGENCE_7J"
    assert len(door.nudged) == 1


@pytest.mark.parametrize("language", ["ar"])
def test_an_account_speaks_the_language_of_its_registration(visitor: Browser, language: str) -> None:
    visitor.headers["Accept-Language"] = language
    visitor.get("/register")
    visitor.send("/register", email=EMAIL, password=PASSWORD)
    (user,) = rows(User)
    assert user.language == language


def test_an_account_changes_nothing_before_its_address_is_confirmed(visitor: Browser, door: Door) -> None:
    add_account(confirmed=False)
    visitor.sign_in()
    visitor.get("/profil")
    visitor.send("/profil/reglages", language="ar", timeZone="Asia/Tokyo", outageCredit="refund")
    page = visitor.follow()
    assert "Confirmez d’abord votre adresse e-mail" in page.text
    (user,) = rows(User)
    assert (user.language, user.time_zone) == ("fr", "Europe/Paris")
    visitor.send("/confirm")
    assert len(door.nudged) == 1


def test_a_wish_without_a_plan_leads_to_a_new_alert(visitor: Browser) -> None:
    page = visitor.get("/register?prefecture=bobigny_93&procedure=TITRE_SEJOUR")
    assert "alert_pages.show_new_alert" in page.html


def test_a_known_address_gets_the_same_answer(visitor: Browser) -> None:
    add_account()
    visitor.get("/register")
    visitor.send("/register", email=EMAIL, password="another horse battery")
    assert visitor.follow().headings == ["Confirmez votre adresse"]
    assert len(rows(User)) == 1


@pytest.mark.parametrize("query", ["payment=cancelled", "payment=cancelled%0d%0aSet-Cookie:%20a=b"])
def test_checkout_leads_back_here_when_it_was_left(visitor: Browser, query: str) -> None:
    page = visitor.get(f"/register?{query}")
    assert page.headings == ["Rien n’a été payé" if query == "payment=cancelled" else "Créer un compte"]


def test_a_forgotten_password_is_answered_the_same_for_everybody(visitor: Browser, door: Door) -> None:
    add_account()
    for email, mails in ((EMAIL, 1), ("nobody@example.org", 1)):
        visitor.get("/forgot")
        visitor.send("/forgot", email=email)
        assert "Si un compte a cette adresse" in visitor.follow().text
        assert len(door.nudged) == mails
    assert "Si un compte" not in visitor.get("/login").text


def write_verify_link() -> str:
    """Return the link in the mail about the oldest registration."""
    with session() as s:
        registration = s.scalars(
            sa.select(PendingRegistration).order_by(PendingRegistration.created_at)
        ).first()
        contact = s.scalars(sa.select(Contact)).one()
    assert registration
    return f"/l/{write_token(VerifyAddress(contact.id, digest(contact.address), registration.id))}"


def test_the_browser_that_registered_keeps_its_password(visitor: Browser) -> None:
    visitor.get("/register")
    visitor.send("/register", email="camille@example.org", password=PASSWORD)
    visitor.get(write_verify_link())
    page = visitor.send("")
    assert "Votre adresse est confirmée" in page.text
    assert rows(User)[0].password_hash is not None


def test_a_press_in_another_browser_takes_no_password_of_a_stranger(app: Flask, visitor: Browser) -> None:
    """A stranger registers the address first; its owner, who registered too, presses the first mail."""
    for each, password in ((Browser(app), "a strangers long password"), (visitor, PASSWORD)):
        each.get("/register")
        each.send("/register", email="camille@example.org", password=password)
    page = visitor.get(write_verify_link())
    assert "ce mot de passe ne sera pas retenu" in page.text
    page = visitor.send("")
    assert rows(User)[0].password_hash is None
    (form,) = (each for each in page.forms if "/l/reset." in each["attributes"]["action"])
    assert "Choisissez un nouveau mot de passe" in visitor.get(form["attributes"]["action"]).text


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


@pytest.fixture
def browser_with_secret(app: Flask) -> Browser:
    """Give a browser that is signed in, on an app with one page that needs a recent proof."""
    area = Area("secret", __name__)

    @area.page("/secret", Access.PROVEN)
    def show_secret() -> str:
        return render_template_string(_PAGE)

    @area.action("/secret", Access.PROVEN)
    def change_secret() -> str:
        return render_template_string(_PAGE.replace("Secret", "Changed"))

    made = _make()
    made.register_blueprint(area)
    add_account()
    return Browser(made).sign_in()


def test_a_page_asks_for_the_password_where_it_was_given_long_ago(
    frozen: time_machine.Traveller, browser_with_secret: Browser
) -> None:
    browser = browser_with_secret
    assert browser.get("/secret").headings == ["Secret"]
    frozen.shift(timedelta(minutes=6))
    browser.get("/secret")
    page = browser.follow()
    assert page.headings == ["Confirmez que c’est vous"]
    page = browser.send("/prove", password="wrong password")
    assert (browser.status, "Ce mot de passe ou ce code est faux." in page.text) == (422, True)
    browser.send("/prove", password=PASSWORD)
    assert browser.follow().headings == ["Secret"]
    frozen.shift(timedelta(minutes=6))  # with the form open
    page = browser.send("/secret", note="kept")
    assert (browser.status, page.headings) == (403, ["Confirmez que c’est vous"])
    page = browser.send("/prove", password=PASSWORD)
    assert "kept" in page.text
    assert browser.send("/secret").headings == ["Changed"]
