from collections.abc import Callable

import pytest

from api.models.login import Login
from tests.clients import Browser
from tests.factories import EMAIL, PASSWORD, change

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


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("", "Écrivez un nouveau mot de passe."),
        ("camille@example.org", "Ce mot de passe est facile à deviner"),
    ],
    ids=["empty", "guessable"],
)
def test_a_weak_password_is_refused_and_never_shown(camille: Browser, password: str, text: str) -> None:
    camille.get("/securite")
    page = camille.send("/securite/mot-de-passe", password=password)
    assert (camille.status, text in page.text) == (422, True)
    assert page.title.startswith("Erreur : Sécurité")
    assert "<script>" not in page.html
    assert not any(at.get("value") for tag, at in page.tags if at.get("type") == "password")
