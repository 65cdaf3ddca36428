"""Alerts: the list, a new one, one with what was found, its end; messages and notices about it."""

import re
from collections.abc import Callable
from datetime import date

from playwright.sync_api import Locator, expect

from tests.browser.navigators.person import Person
from tests.waiting import PATIENCE, until
from tests.whole.visitor import LOOK

_PATIENCE = PATIENCE * 1000  # milliseconds: a check, a match and a message of a busy machine
# What stands before the desk's address in a slot alert, in each language a page may speak.
BOOK_NOW = {"fr": "Réserver maintenant", "en": "Book now", "ar": "احجز الآن"}


def open_first_alert(person: Person, title: str) -> None:
    """Open the alert with this title from the list."""
    person.hands.press(person.main.get_by_role("link", name=title).first)
    arrive_at(person, title)


def wait_watched(person: Person) -> None:
    """Wait on an alert's page until its desk gave a sure answer, without a slot."""
    fresh = person.main.get_by_text(person.words.match("il y a moins d’une minute"))
    _wait_for(person, fresh.nth(1))
    person.see("Pas encore de place libre. Elles apparaîtront ici dès qu’elles s’ouvrent.")


def wait_for_slot(person: Person, opens: Callable[[], None]) -> None:
    """Let a slot open while the alert's page is open, and wait until the page shows it with its proof."""
    if person.has_scripts:
        person.page.evaluate("() => { window.isSameDocument = true; }")
    opens()
    _wait_for(person, person.link("Réserver sur le site officiel"))
    _wait_for(person, person.link("Voir la preuve"))  # it is shown with the match, a moment later
    if person.has_scripts:
        assert person.page.evaluate("() => window.isSameDocument"), "the page was loaded again"


def wait_for_message(person: Person) -> None:
    """Wait on an alert's page until it says that the mail was sent."""
    sent = person.main.get_by_role("listitem").filter(has_text=person.words.say("E-mail"))
    said = re.compile("|".join(person.words.say(each) for each in ("Envoyé", "Reçu")))
    _wait_for(person, sent.filter(has_text=said).first)


def see_proof(person: Person) -> None:
    """Follow the link to the proof, which is there a moment after the slot, and come back."""
    alert = person.page.url
    until(lambda: _has_proof(person, alert), pause=LOOK)
    person.arrive("La page telle que nous l’avons vue")
    person.page.goto(alert)


def _has_proof(person: Person, alert: str) -> bool:
    """Whether the proof is stored by now; else the alert's page is open again."""
    person.follow("Voir la preuve")
    person.page.wait_for_url("**/l/proof.**")
    heading = person.page.get_by_role("heading", level=1).inner_text()
    if heading == person.words.say("La page telle que nous l’avons vue"):
        return True
    person.page.goto(alert)
    return False


def report_found(person: Person, day: date, hour: str, place: str) -> None:
    """Report the appointment; the alert closes and shows it."""
    person.follow("J’ai trouvé un rendez-vous")
    person.arrive("J’ai trouvé un rendez-vous")
    person.hands.write_day(person.field("Jour"), day)
    person.hands.write_hour(person.field("Heure"), hour)
    person.write("Lieu", place)
    person.press("Fermer l’alerte")
    person.see_notice("Bravo ! L’alerte est fermée.")
    expect(person.main).to_contain_text(place)
    expect(person.link("Ajouter à mon agenda")).to_be_visible()


def open_waiting_form(person: Person) -> None:
    """Open the form of a new alert with a wish that cannot be watched: the page says so."""
    person.open("/alertes/nouvelle?prefecture=melun_77&procedure=VISA", "Nouvelle alerte")
    person.see("Nous ne voyons pas ces places pour le moment.")


def ask_to_wait(person: Person, name: str) -> None:
    """Name the alert that cannot be watched, and ask for it; the caller waits for what follows."""
    person.write("Nom de l’alerte", name)
    person.press("Me prévenir quand ce sera possible")


def arrive_at(person: Person, title: str) -> None:
    """Wait for the page of an alert by its title."""
    person.arrive_at(re.compile(rf"^\s*{re.escape(title)}\s*$"))


def wait_for_watch(person: Person) -> None:
    """Ask on the form of a new alert to be told when its slots can be seen; the alert waits."""
    person.see("Nous ne voyons pas ces places pour le moment.")
    person.press("Me prévenir quand ce sera possible")
    person.see_notice("C’est noté : nous vous prévenons dès que nous voyons ces places.")
    person.see("En attente")
    person.see(
        "Nous ne voyons pas encore ces places. Nous vous écrivons le jour où nous les voyons :"
        " d’ici là, rien n’est à payer."
    )


def _wait_for(person: Person, shown: Locator) -> None:
    """Wait until the live page shows something; without scripts the person loads it again."""
    if not person.has_scripts:
        until(lambda: _is_shown(person, shown), pause=LOOK)
    expect(shown).to_be_visible(timeout=_PATIENCE)


def _is_shown(person: Person, shown: Locator) -> bool:
    """Whether something is there; else the page is loaded once more."""
    if shown.is_visible():
        return True
    person.page.reload()
    return False


# What was sent of it, and the notices of the account.


def read_slot_alert(person: Person, place: str) -> None:
    """Read the newest slot alert about a place once more, and come back to the page before."""
    before = person.page.url
    _follow_navigation(person, "Réglages", "Canaux")
    _follow_navigation(person, "Messages")
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


def open_notices(person: Person) -> None:
    """Go to the notices of the account."""
    _follow_navigation(person, "Notifications")


def _follow_navigation(person: Person, name: str, heading: str = "") -> None:
    link = person.page.get_by_role("navigation").get_by_role("link", name=person.words.match(name))
    person.hands.press(link)
    person.arrive(heading or name)
