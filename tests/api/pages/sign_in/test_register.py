import pytest
import sqlalchemy as sa
from flask import Flask

from api.models.base import session
from api.models.login import PendingRegistration
from api.models.user import Contact, User
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import VerifyAddress, write_token
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import EMAIL, PASSWORD, add_account, rows


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


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"email": "camille", "password": PASSWORD}, "Cette adresse n’est pas valable."),
        ({"email": "zoé@exemple.fr", "password": PASSWORD}, "une adresse qui a « é » avant le @"),
        ({"email": EMAIL, "password": "password1234"}, "Ce mot de passe est facile à deviner"),
        ({"email": EMAIL, "password": PASSWORD, "plan": "GOLD"}, "Cette valeur n’est pas valable."),
    ],
)
def test_a_form_says_what_is_wrong_and_keeps_what_was_typed(
    visitor: Browser, fields: dict[str, str], text: str
) -> None:
    visitor.get("/register")
    page = visitor.send("/register", **fields)
    assert visitor.status == 422
    assert text in page.text
    assert f'value="{fields["email"]}"' in page.html
    assert fields["password"] not in page.html
    assert rows(User) == []


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
    return f"/l/verify/{write_token(VerifyAddress(contact.id, digest(contact.address), registration.id))}"


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
    (form,) = (each for each in page.forms if "/l/reset/" in each["attributes"]["action"])
    assert "Choisissez un nouveau mot de passe" in visitor.get(form["attributes"]["action"]).text
