"""From a wish to a confirmed account: by the code or the link of the mail, in whichever browser; a mistyped address."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from flask import Flask

from api.models.login import PendingRegistration
from api.models.notification import Notification
from api.models.user import Contact, User
from configs.world.plan import PlanName
from notifier.content.message_kind_base import TemplateContext
from tests.api.messages import list_tokens, read_again, read_text
from tests.api.world import Door, reveal_health
from tests.clients import Browser, Page
from tests.desk_proofs import prove_desks
from tests.factories import BOBIGNY, EMAIL, PASSWORD, add_account, add_grant, one, rows

WISH = "/register?plan=URGENCE_7J&prefecture=bobigny_93&procedure=TITRE_SEJOUR"
STRANGER = "a strangers long password"
WRONG = "Ce code est faux, ou il a plus de 15 minutes."


@pytest.fixture(autouse=True)
def _door(door: Door) -> None:
    """Messages are written, and handed over to nobody."""


def register(browser: Browser, email: str = EMAIL, password: str = PASSWORD, at: str = WISH) -> Page:
    """Register in a browser, and go on to the page that waits for the code."""
    browser.get(at)
    browser.send("/register", email=email, password=password)
    return browser.follow()


def read_code() -> str:
    """Return the code of the newest mail."""
    found = read_again("verify_email")
    assert isinstance(found, TemplateContext)
    return str(found.values["code"])


def press_link(browser: Browser, number: int = -1) -> Page:
    """Open the link of a mail, and press its button."""
    browser.get(f"/l/{list_tokens()[number]}")
    return browser.send("")


def signs_in(app: Flask, password: str, email: str = EMAIL) -> bool:
    """Return whether an address and a password open an account."""
    browser = Browser(app)
    browser.get("/login")
    browser.send("/login", email=email, password=password)
    return browser.status == 303


def is_order_of_the_wish(address: str) -> bool:
    path, query = urlsplit(address).path, parse_qs(urlsplit(address).query)
    wanted = {"plan": ["URGENCE_7J"], "prefecture": ["bobigny_93"], "procedure": ["TITRE_SEJOUR"]}
    return (path, query) == ("/formule/commande", wanted)


def test_the_page_repeats_what_was_chosen_and_what_it_costs(visitor: Browser) -> None:
    page = visitor.get(WISH)
    for text in ("Étape 1 sur 3", "Seine-Saint-Denis", "Titre de séjour", "URGENCE 7J", "14,99"):
        assert text in page.text, text
    page = visitor.get(f"/register?plan=URGENCE_7J&desk={BOBIGNY}")
    assert "Seine-Saint-Denis" in page.text
    assert "Étape" not in visitor.get("/register").text
    for odd in (
        "alert=x",
        "desk=none/none",
        "prefecture=nowhere_00",
        "alert=%7B%22deskIds%22%3A%5B%22x%22%5D%7D",
    ):
        assert visitor.get(f"/register?{odd}").headings == ["Créer un compte"]


def test_the_link_in_the_same_browser_signs_in_and_goes_on_with_the_wish(
    app: Flask, visitor: Browser
) -> None:
    prove_desks()
    register(visitor)
    assert rows(PendingRegistration)[0].wished_plan == "URGENCE_7J"
    page = visitor.get(f"/l/{list_tokens()[0]}")
    assert one(Contact).verified_at is None, "a GET confirms nothing"
    assert "Confirmer et continuer ma commande" in page.text
    visitor.send("")
    assert is_order_of_the_wish(visitor.location)
    page = visitor.follow()
    assert ("Votre adresse est confirmée." in page.text, "URGENCE 7J" in page.text) == (True, True)
    assert "Choisir un mot de passe" not in visitor.get("/dashboard").text
    assert signs_in(app, PASSWORD)


def test_the_link_in_another_browser_signs_in_without_a_password_which_is_asked_for_later(
    app: Flask, visitor: Browser
) -> None:
    register(visitor)
    phone = Browser(app)
    page = phone.get(f"/l/{list_tokens()[0]}")
    assert "mot de passe" not in page.text, "nobody is blamed"
    phone.send("")
    assert is_order_of_the_wish(phone.location)
    assert one(User).password_hash is None
    phone.get("/dashboard")
    page = phone.get("/prove?next=dashboard.show_dashboard")
    assert page.headings == ["Choisissez un mot de passe"]
    page = phone.send("/prove", password="azertyuiopqs")
    assert (phone.status, "facile à deviner" in page.text) == (422, True)
    phone.send("/prove", password="chosen by the owner now")
    assert phone.location == "/dashboard"
    assert "Choisir un mot de passe" not in phone.follow().text
    assert signs_in(app, "chosen by the owner now")


def test_a_change_that_needs_a_proof_asks_for_a_first_password(
    app: Flask, visitor: Browser, frozen: time_machine.Traveller
) -> None:
    register(visitor, at="/register")
    phone = Browser(app)
    press_link(phone)
    add_grant(one(User).id, PlanName.URGENCE_TOTAL)
    phone.get("/canaux")
    frozen.shift(timedelta(minutes=6))
    page = phone.send("/canaux/numero", phone="06 12 34 56 78")
    assert page.headings == ["Choisissez un mot de passe"]
    page = phone.send("/prove", password="chosen by the owner now")
    assert page.headings == ["Envoyer un code au 06 12 34 56 78 ?"]
    phone.send("/canaux/numero")
    assert phone.location == "/canaux"


def test_the_code_keeps_the_password_and_goes_on_with_the_wish(app: Flask, visitor: Browser) -> None:
    page = register(visitor)
    assert EMAIL in page.text
    mail = read_text(rows(Notification)[-1])
    assert read_code() in mail
    assert "Personne de chez nous ne vous demandera ce code" in mail
    assert read_code() not in str(rows(Notification)[-1].params), "it is stored encrypted, and as a hash"
    page = visitor.send("/confirm/code", code="12")
    assert (visitor.status, "Le code a six chiffres." in page.text) == (422, True)
    page = visitor.send("/confirm/code", code=f"{(int(read_code()) + 1) % 1_000_000:06}")
    assert (visitor.status, WRONG in page.text) == (422, True)
    visitor.send("/confirm/code", code=read_code())
    assert is_order_of_the_wish(visitor.location)
    assert "Votre adresse est confirmée." in visitor.follow().text
    assert signs_in(app, PASSWORD)
    visitor.get("/confirm")
    assert visitor.location == "/dashboard"


def test_a_code_is_good_for_15_minutes_and_five_tries(
    visitor: Browser, frozen: time_machine.Traveller
) -> None:
    register(visitor)
    code = read_code()
    for _ in range(5):
        visitor.send("/confirm/code", code=f"{(int(code) + 1) % 1_000_000:06}")
    visitor.send("/confirm/code", code=code)
    assert visitor.status == 422
    frozen.shift(timedelta(minutes=6))
    visitor.send("/confirm/renvoi")
    visitor.follow()
    assert read_code() != code
    frozen.shift(timedelta(minutes=16))
    visitor.send("/confirm/code", code=code)
    assert visitor.status == 422
    assert read_code() == "", "a mail that comes late has none"
    assert one(Contact).verified_at is None


def test_ten_codes_a_day_are_tried_at_an_address_whatever_the_registration(
    app: Flask, visitor: Browser, frozen: time_machine.Traveller
) -> None:
    """A stranger who registers an address again and again does not guess its code."""
    for number in range(3):
        stranger = Browser(app)
        register(stranger, password=f"{STRANGER} {number}")
        for guess in range(5):
            stranger.send("/confirm/code", code=f"{guess:06}")
        assert stranger.status == 422
    assert "Trop d’essais aujourd’hui" in stranger.page.text
    register(visitor)
    press_link(visitor)
    assert one(Contact).verified_at


def test_tries_that_come_together_are_counted_one_by_one(visitor: Browser) -> None:
    register(visitor)
    code = read_code()
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    for _ in range(4):
        assert visitor.send_twice("/confirm/code", code=wrong) == [422, 422]
    assert one(PendingRegistration).wrong_tries == 5
    visitor.send("/confirm/code", code=code)
    assert visitor.status == 422


def test_a_link_that_is_pressed_again_signs_nobody_in(app: Flask, visitor: Browser) -> None:
    register(visitor)
    (token,) = list_tokens()
    press_link(visitor)
    later = Browser(app)
    later.client.post(f"/l/{token}", data={"choose": ""})
    assert "__Host-access" not in later.cookies


def test_a_strangers_password_never_becomes_the_accounts(app: Flask, visitor: Browser) -> None:
    stranger, phone = Browser(app), Browser(app)
    register(stranger, password=STRANGER)
    register(visitor)
    theirs, mine = (read_text(each) for each in rows(Notification))
    assert theirs != mine
    visitor.send("/confirm/code", code=_find_code(theirs))
    assert visitor.status == 422, "the code of a stranger's registration confirms none of mine"
    stranger.send("/confirm/code", code=_find_code(mine))
    assert stranger.status == 422
    press_link(phone, 0)
    assert one(User).password_hash is None
    assert not signs_in(app, STRANGER)
    stranger.send("/confirm/code", code=_find_code(theirs))
    assert (stranger.status, signs_in(app, STRANGER)) == (422, False)


def _find_code(mail: str) -> str:
    return next(
        each.strip(". ") for each in mail.split() if each.strip(". ").isdigit() and len(each.strip(". ")) == 6
    )


def test_the_mail_of_a_stranger_signs_nobody_out_of_their_own_account(app: Flask, visitor: Browser) -> None:
    register(Browser(app), email="stranger@example.org", password=STRANGER)
    add_account()
    visitor.sign_in()
    page = press_link(visitor)
    assert "stranger@example.org" in page.text
    assert EMAIL in visitor.get("/profil").text
    other = Browser(app)
    register(Browser(app), email="other@example.org", password=STRANGER)
    other.headers["Sec-Fetch-Site"] = "cross-site"
    press_link(other)
    assert other.get("/dashboard").html == "", "a form of another site signs in nobody"


def test_a_mistyped_address_is_seen_and_corrected(app: Flask, visitor: Browser) -> None:
    page = register(visitor, "camile@example.org")
    assert "camile@example.org" in page.text
    mistyped = list_tokens()[0]
    page = visitor.send("/confirm/adresse", email="nothing")
    assert (visitor.status, "Cette adresse n’est pas valable" in page.text) == (422, True)
    visitor.send("/confirm/adresse", email=EMAIL)
    assert EMAIL in visitor.follow().text
    assert [each.email for each in rows(User)] == [EMAIL]
    assert "Cette adresse n’est plus enregistrée" in visitor.get(f"/l/{mistyped}").text
    visitor.get("/confirm")
    visitor.send("/confirm/code", code=read_code())
    assert is_order_of_the_wish(visitor.location)
    assert signs_in(app, PASSWORD)


def test_a_known_address_and_an_unknown_one_are_answered_in_the_same_words(app: Flask) -> None:
    add_account("known@example.org")
    told = []
    for address in ("known@example.org", "unknown@example.org"):
        browser, said = Browser(app), []
        said.append(register(browser, address).text)
        said.extend(browser.send("/confirm/code", code="000000").text for _ in range(6))
        browser.send("/confirm/renvoi")
        said.append(browser.follow().text)
        for number in range(4):
            browser.send("/confirm/adresse", email=address.replace("@", f"{number}@"))
            said.append(browser.follow().text)
        told.append([each.replace("unknown", "known") for each in said])
    assert told[0] == told[1]
    assert "assez de messages pour aujourd’hui" in told[0][-1]
    assert {each.email for each in rows(User)} == {
        "known@example.org",
        "known2@example.org",
        "unknown2@example.org",
    }
    assert signs_in(app, PASSWORD, "known@example.org")


def test_a_registration_sends_five_mails_a_day(visitor: Browser, frozen: time_machine.Traveller) -> None:
    register(visitor)
    for _ in range(6):
        frozen.shift(timedelta(minutes=6))
        visitor.send("/confirm/renvoi")
        page = visitor.follow()
    assert "assez de messages pour aujourd’hui" in page.text
    assert len(rows(Notification)) == 3, "and to one address three"


def test_who_is_signed_in_and_not_confirmed_corrects_the_address(app: Flask, visitor: Browser) -> None:
    register(Browser(app), "camile@example.org")
    visitor.get("/login")
    visitor.send("/login", email="camile@example.org", password=PASSWORD)
    visitor.get("/confirm")
    visitor.send("/confirm/adresse", email=EMAIL)
    visitor.follow()
    visitor.send("/confirm/code", code=read_code())
    assert is_order_of_the_wish(visitor.location)
    assert [each.email for each in rows(User)] == [EMAIL]


def test_public_pages_lead_on_who_is_signed_in(camille: Browser) -> None:
    camille.get(WISH)
    assert is_order_of_the_wish(camille.location)
    camille.get("/register?prefecture=bobigny_93&procedure=TITRE_SEJOUR")
    assert camille.location.startswith("/alertes/nouvelle?")
    camille.get(f"/register?plan=URGENCE_7J&desk={BOBIGNY}")
    assert json.loads(parse_qs(urlsplit(camille.location).query)["alert"][0]) == {"deskIds": [BOBIGNY]}
    camille.get("/login?next=plan.show_plan")
    assert camille.location == "/formule"
    camille.get("/login?next=https://evil.example")
    assert camille.location == "/dashboard"
    assert camille.get("/register?payment=cancelled").headings == ["Rien n’a été payé"]


def test_a_wish_is_gone_on_with_at_a_later_sign_in_until_an_alert_is_created(
    app: Flask, visitor: Browser
) -> None:
    prove_desks()
    register(visitor, at="/register?prefecture=bobigny_93&procedure=TITRE_SEJOUR")
    press_link(visitor)
    later = Browser(app)
    later.get("/login")
    later.send("/login", email=EMAIL, password=PASSWORD)
    assert later.location.startswith("/alertes/nouvelle?")
    add_grant(one(User).id, PlanName.URGENCE_24H)
    later.follow()
    later.send("/alertes/nouvelle")
    later.send("/logout")
    later.follow()
    later.send("/login", email=EMAIL, password=PASSWORD)
    assert later.location == "/dashboard"


def test_the_browser_that_registered_keeps_its_password_and_its_language(visitor: Browser) -> None:
    visitor.headers["Accept-Language"] = "ar"
    register(visitor, at="/register")
    press_link(visitor)
    page = visitor.follow()
    assert (visitor.status, dict(page.tags)["html"]["lang"]) == (200, "ar")
    assert one(Contact).verified_at
    assert (one(User).language, one(User).password_hash is None) == ("ar", False)


def keep_cookies(browser: Browser) -> str:
    """Return the session of a browser as it is now."""
    found = browser.client.get_cookie("__Host-session")
    assert found
    return found.value


def take_cookies(browser: Browser, kept: str) -> None:
    """Give a browser the session that it had before."""
    browser.client.set_cookie("__Host-session", kept, secure=True)


def test_an_earlier_session_of_a_stranger_brings_no_more_tries_at_an_address(app: Flask) -> None:
    """Tries count at the address that the code went to, also where the browser claims the address before."""
    stranger = Browser(app)
    register(stranger, "mine@example.org", STRANGER)
    before = keep_cookies(stranger)
    stranger.send("/confirm/adresse", email=EMAIL)
    stranger.follow()
    code = read_code()
    take_cookies(stranger, before)
    stranger.get("/confirm")
    stranger.send("/confirm/code", code=code)
    assert stranger.status == 422
    assert one(Contact).verified_at is None


@pytest.mark.parametrize(
    "query",
    [
        f"desk={BOBIGNY}",
        f"plan=URGENCE_7J&desk={BOBIGNY}",
        f"next=alert_pages.show_new_alert%3Fdesk%3Dnone%26desk%3D{BOBIGNY}",
    ],
)
def test_a_wish_that_reveals_health_is_not_kept_without_consent(
    visitor: Browser, tmp_path: Path, settings_env: Callable[..., None], query: str
) -> None:
    reveal_health(tmp_path, settings_env)
    register(visitor, at=f"/register?{query}")
    (kept,) = rows(PendingRegistration)
    assert kept.wished_page is None
    assert kept.alert_wish is None
    visitor.send("/confirm/code", code=read_code())
    assert BOBIGNY in parse_qs(urlsplit(visitor.location).query).get("desk", []) or BOBIGNY in json.dumps(
        parse_qs(urlsplit(visitor.location).query)
    ), "the browser goes on with it"
