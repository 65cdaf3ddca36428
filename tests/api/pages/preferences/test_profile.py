from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from api.middleware.languages import LANGUAGES
from api.models.user import Contact, OutageCredit, User
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import VerifyAddress, write_token
from configs.world.languages import MESSAGE_LANGUAGES
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import EMAIL, PASSWORD, one, rows

SETTINGS = {"language": "en", "timeZone": "Indian/Reunion", "outageCredit": "refund"}


def read_user() -> User:
    return one(User)


def test_settings_are_kept_and_change_the_language_at_once(camille: Browser) -> None:
    page = camille.get("/profil")
    assert page.html.index("France (Paris)") < page.html.index("Afghanistan")
    for _ in range(2):
        camille.page = page
        camille.send("/profil/reglages", **SETTINGS)
        assert "Saved." in camille.follow().text
    user = read_user()
    assert (user.language, user.time_zone, user.outage_credit) == (
        "en",
        "Indian/Reunion",
        OutageCredit.REFUND,
    )
    assert '<option value="Indian/Reunion" selected>' in camille.page.html


@pytest.mark.parametrize("language", sorted(set(MESSAGE_LANGUAGES) - set(LANGUAGES))[:1])
def test_a_language_of_messages_that_no_page_speaks_is_kept(camille: Browser, language: str) -> None:
    camille.get("/profil")
    camille.send("/profil/reglages", **(SETTINGS | {"language": language}))
    assert "C’est enregistré." in camille.follow().text  # as the browser asks
    assert read_user().language == language
    assert f'<option value="{language}" selected>' in camille.page.html


@pytest.mark.parametrize(("name", "value"), [("language", '"><script>alert(1)</script>'), ("timeZone", "")])
def test_wrong_settings_say_so(camille: Browser, name: str, value: str) -> None:
    camille.get("/profil")
    page = camille.send("/profil/reglages", **(SETTINGS | {name: value}))
    assert (camille.status, page.title.startswith("Erreur : Profil")) == (422, True)
    assert "<script>alert" not in page.html
    assert read_user().language == "fr"


def test_a_new_address_waits_for_its_confirmation(camille: Browser, door: Door) -> None:
    camille.get("/profil")
    camille.send("/profil/adresse", email="new@example.org")
    page = camille.follow()
    assert "new@example.org la remplacera" in page.text
    assert [(each.address, each.new_address) for each in rows(Contact)] == [(EMAIL, "new@example.org")]
    assert len(door.nudged) == 1
    camille.send("/profil/adresse", email=EMAIL)  # it stays
    assert "la remplacera" not in camille.follow().text


def test_the_mail_of_a_new_address_leads_to_the_account_that_asked(
    camille: Browser, app: Flask, door: Door
) -> None:
    camille.get("/profil")
    camille.send("/profil/adresse", email="new@example.org")
    (contact,) = rows(Contact)
    token = write_token(VerifyAddress(contact.id, digest("new@example.org"), new=read_user().token_version))
    elsewhere = Browser(app)
    assert "c…@example.org" in elsewhere.get(f"/l/verify/{token}").text
    (way,) = [at["href"] for tag, at in elsewhere.page.tags if at.get("class") == "button"]
    elsewhere.get(way)
    assert elsewhere.follow().headings == ["Se connecter"]  # and nothing has moved
    assert read_user().email == EMAIL
    assert camille.get(way).headings == ["Changer l’adresse de votre compte ?"]
    camille.send(way)
    assert "Votre compte a sa nouvelle adresse." in camille.follow().text
    assert read_user().email == "new@example.org"


@pytest.mark.parametrize(
    ("email", "text"),
    [
        ("", "Écrivez votre adresse e-mail."),
        ('"><script>alert(1)</script>@example.org', "Cette adresse n’est pas valable."),
    ],
    ids=["empty", "markup"],
)
def test_a_wrong_address_says_so(camille: Browser, email: str, text: str) -> None:
    camille.get("/profil")
    page = camille.send("/profil/adresse", email=email)
    assert (camille.status, text in page.text) == (422, True)
    assert "<script>alert" not in page.html


def test_a_new_address_needs_the_password_and_is_kept_meanwhile(
    frozen: time_machine.Traveller, camille: Browser
) -> None:
    camille.get("/profil")
    frozen.shift(timedelta(minutes=6))
    page = camille.send("/profil/adresse", email="new@example.org")
    assert (camille.status, page.headings) == (403, ["Confirmez que c’est vous"])
    page = camille.send("/prove", password=PASSWORD)
    assert "new@example.org" in page.text
    camille.send("/profil/adresse")
    assert "new@example.org la remplacera" in camille.follow().text
