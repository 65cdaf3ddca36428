"""The second factor: setting it up, and its recovery codes."""

import pyotp
from playwright.sync_api import expect

from tests.browser.navigators import sign_in
from tests.browser.navigators.person import Person


def open_security(person: Person) -> None:
    """Open the page of security by the navigation."""
    person.hands.press(
        person.page.get_by_role("navigation").get_by_role("link", name=person.words.match("Sécurité"))
    )
    person.arrive("Sécurité")


def enable_second_factor(person: Person) -> list[str]:
    """Set up codes of an authenticator app by the key on the page; return the recovery codes."""
    person.follow("Mettre en place")
    person.arrive("Mettre en place un second facteur")
    expect(person.main.locator("svg")).to_be_visible()
    person.visitor.codes = pyotp.TOTP(person.main.locator("code").inner_text().replace(" ", ""))
    person.write("Code", person.visitor.next_code())
    person.press("Confirmer")
    person.arrive("Vos codes de secours")
    codes = person.main.get_by_role("listitem").all_inner_texts()
    person.follow("J’ai gardé mes codes")
    person.arrive("Sécurité")
    person.see("En place")
    return codes


def sign_in_with(person: Person, code: str) -> None:
    """Sign in by password and code; the list of alerts comes."""
    try_code(person, code)
    person.arrive("Mes alertes")


def try_code(person: Person, code: str) -> None:
    """Give password and code; the caller waits for what follows."""
    sign_in.write_credentials(person)
    person.arrive("Votre code")
    person.write("Code", code)
    person.press("Continuer")
