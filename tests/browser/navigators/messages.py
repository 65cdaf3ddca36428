"""Messages to a user: what they said, and what became of them."""

from playwright.sync_api import expect

from tests.browser.navigators.person import Person


def read_slot_alert(person: Person, place: str) -> None:
    """Read the newest slot alert about a place once more, and come back to the page before."""
    before = person.page.url
    person.hands.press(
        person.page.get_by_role("navigation").get_by_role("link", name=person.words.match("Messages"))
    )
    person.arrive("Messages")
    alert = person.main.get_by_role("article").filter(has_text=place).first
    person.hands.press(alert.get_by_text(person.words.match("Lire le message")))
    expect(alert.get_by_text("Réserver maintenant")).to_be_visible()
    expect(alert).not_to_contain_text("/l/stop/")
    person.see("« […] » tient la place d’un lien personnel, que nous ne montrons pas une seconde fois.")
    # The mail that confirmed the address.
    person.see("Ce message portait un lien ou un code personnel. Nous ne le montrons pas une seconde fois.")
    person.page.goto(before)
