"""Messages to a user: what they said, and what became of them; and the notices of the account."""

import re

from playwright.sync_api import Locator, expect

from api.notifications.reasons import Reason, write_reason
from tests.browser.navigators.person import Person

# What stands before the desk's address in a slot alert, in each language a page may speak.
BOOK_NOW = {"fr": "Réserver maintenant", "en": "Book now", "ar": "احجز الآن"}


def read_slot_alert(person: Person, place: str) -> None:
    """Read the newest slot alert about a place once more, and come back to the page before."""
    before = person.page.url
    open_messages(person)
    alert = person.main.get_by_role("article").filter(has_text=place).first
    person.hands.press(alert.get_by_text(person.words.match("Lire le message")))
    expect(alert.get_by_text(BOOK_NOW[person.words.language])).to_be_visible()
    expect(alert).not_to_contain_text("/l/stop.")
    person.see("« […] » tient la place d’un lien personnel, que nous ne montrons pas une seconde fois.")
    # The mail that confirmed the address.
    person.see(
        "Ce message portait un lien, un code ou des données personnelles. Nous ne les montrons pas une seconde fois."
    )
    person.page.goto(before)


def open_messages(person: Person) -> None:
    """Go to the messages that were sent or held back."""
    _follow_navigation(person, "Messages")


def open_notices(person: Person) -> None:
    """Go to the notices of the account."""
    _follow_navigation(person, "Notifications")


def find_with_reason(person: Person, reason: Reason) -> Locator:
    """Return the messages that say this of why they did not leave, or not yet."""
    why = write_reason(reason, person.words.language)
    return person.main.get_by_role("article").filter(has_text=why)


def read_all_notices(person: Person, place: str) -> None:
    """Read the notice of a slot at a place, and mark all as read: the title counts those that are not."""
    expect(person.main.get_by_role("article").filter(has_text=place).first).to_be_visible()
    expect(person.page).to_have_title(re.compile(r"^\(\d+\) "))
    person.press("Tout marquer comme lu")
    person.see_notice("Toutes ces notifications sont lues.")
    expect(person.page).to_have_title(re.compile(r"^[^(]"))


def _follow_navigation(person: Person, name: str) -> None:
    link = person.page.get_by_role("navigation").get_by_role("link", name=person.words.match(name))
    person.hands.press(link)
    person.arrive(name)
