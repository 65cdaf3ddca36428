"""Pages of security: logins, the password, the second factor."""

import re
from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
import time_machine

from api.models.login import Login
from api.models.user import User
from configs.ground.clock import clock
from tests.clients import Browser, Page
from tests.factories import EMAIL, PASSWORD, change, one

NEW = "another horse battery staple"


@pytest.fixture
def elsewhere(camille: Browser, browse: Callable[..., Browser]) -> Browser:
    """Give another browser in which the same user is signed in."""
    assert camille.status == 200
    return browse().sign_in()


def is_signed_in(browser: Browser) -> bool:
    browser.get("/dashboard")
    return browser.status == 200


def test_one_login_is_ended(camille: Browser, elsewhere: Browser) -> None:
    change(Login, browser='<script>alert("x")</script>')
    page = camille.get("/securite")
    assert page.text.count('<script>alert("x")</script>') == 2
    camille.send("/securite/connexions/")
    assert "Cette connexion est terminée." in camille.follow().text
    assert not is_signed_in(elsewhere)
    assert is_signed_in(camille)
    camille.page = page
    camille.send("/securite/connexions/")
    assert camille.status == 303


def test_all_other_logins_are_ended(camille: Browser, elsewhere: Browser) -> None:
    page = camille.get("/securite")
    for _ in range(2):
        camille.page = page
        camille.send("/securite/autres-connexions")
        assert "Toutes les autres connexions sont terminées." in camille.follow().text
    assert "autres-connexions" not in camille.page.html
    assert not is_signed_in(elsewhere)


def test_a_new_password_ends_the_other_logins(camille: Browser, elsewhere: Browser) -> None:
    camille.get("/securite")
    camille.send("/securite/mot-de-passe", password=NEW)
    assert "Votre mot de passe est changé" in camille.follow().text
    assert NEW not in camille.page.html
    assert not is_signed_in(elsewhere)
    elsewhere.get("/login")
    elsewhere.send("/login", email=EMAIL, password=PASSWORD)
    assert elsewhere.status == 422
    elsewhere.send("/login", email=EMAIL, password=NEW)
    assert is_signed_in(elsewhere)


def read_secret(page: Page) -> str:
    found = re.search(r'<code dir="ltr">([A-Z2-7 ]+)</code>', page.html)
    assert found
    return found.group(1).replace(" ", "")


def read_codes(page: Page) -> list[str]:
    return re.findall(r"<code>([a-z2-9]{5}-[a-z2-9]{5})</code>", page.html)


def set_up(browser: Browser) -> list[str]:
    page = browser.get("/securite/application")
    code = pyotp.TOTP(read_secret(page)).at(clock())
    return read_codes(browser.send("/securite/application", code=code))


def has_factor() -> bool:
    return one(User).has_second_factor


def test_a_second_factor_is_set_up_by_a_qr_code(camille: Browser) -> None:
    page = camille.get("/securite/application")
    secret = read_secret(page)
    assert "<svg viewBox=" in page.html
    code = pyotp.TOTP(secret).at(clock())
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    form = camille.send("/securite/application", code=wrong)
    assert (camille.status, "Ce n’est pas le code" in form.text) == (422, True)
    assert (read_secret(form), wrong in form.html, has_factor()) == (secret, False, False)
    page = camille.send("/securite/application", code=code)
    assert (camille.status, len(read_codes(page)), has_factor()) == (200, 10, True)
    assert camille.response.headers["Cache-Control"] == "no-store"
    camille.page = form
    camille.send("/securite/application", code=code)
    page = camille.follow()
    assert "Le second facteur est déjà en place." in page.text
    assert read_codes(page) == []
    camille.get("/securite/application")  # another language chosen on the page of the codes
    assert camille.location == "/securite"


def test_new_recovery_codes_replace_the_old_ones(camille: Browser) -> None:
    old = set_up(camille)
    hashes = set(one(User).recovery_hashes)
    camille.get("/securite")
    new = read_codes(camille.send("/securite/codes"))
    assert (len(new), set(new) & set(old)) == (10, set())
    assert len(one(User).recovery_hashes) == 10
    assert not hashes & set(one(User).recovery_hashes)
    camille.get("/securite/codes")
    assert camille.location == "/securite"


def test_the_second_factor_is_removed(camille: Browser) -> None:
    set_up(camille)
    page = camille.get("/securite")
    camille.send("/securite/sans-application")
    assert "Le second facteur est retiré." in camille.follow().text
    assert (has_factor(), one(User).recovery_hashes) == (False, [])
    camille.page = page
    camille.send("/securite/codes")
    assert "Ce compte n’a pas de second facteur." in camille.follow().text


def test_an_old_or_foreign_setup_begins_again(camille: Browser) -> None:
    for setup in ("", '"><script>alert(1)</script>', "a" * 10_000):
        camille.get("/securite/application")
        camille.send("/securite/application", setup=setup, code="000000")
        page = camille.follow()
        assert "Trop de temps a passé : commencez de nouveau." in page.text
        assert "<script>alert" not in page.html


def test_each_change_needs_a_recent_proof(frozen: time_machine.Traveller, camille: Browser) -> None:
    camille.get("/securite/application")
    setup_page = camille.page
    set_up(camille)
    page = camille.get("/securite")
    frozen.shift(timedelta(minutes=6))
    for action in ("/securite/codes", "/securite/sans-application", "/securite/mot-de-passe"):
        camille.page = page
        camille.send(action)
        assert camille.status == 403, action
    camille.page = setup_page
    asked = camille.send("/securite/application", code="000000")
    assert camille.status == 403
    assert read_secret(setup_page) not in asked.html
    assert has_factor()
