"""Messages to a user: what they said, and what became of them; and the notices of the account."""

import re
from pathlib import Path

import pyotp
from playwright.sync_api import Locator, expect

from api.notifications.reasons import Reason, write_reason
from tests.browser.navigators import sign_in
from tests.browser.navigators.person import Person
from tests.waiting import until
from tests.whole.visitor import LOOK

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


# Preferences of messages: what arrives where, and when.


_DAILY = "Une fois par jour, en un seul message"
_QUIET = "Rien qui puisse attendre n’arrive pendant ces heures"
_QUIET_SLOTS = "Les alertes de créneaux attendent aussi"
_HOURS = {"Heure du message de la journée": "07:00", "De": "22:00", "À": "07:00"}


def open_preferences(person: Person) -> None:
    """Find the preferences by the page of channels."""
    person.hands.press(
        person.page.get_by_role("navigation").get_by_role("link", name=person.words.match("Canaux"))
    )
    person.arrive("Canaux")
    person.follow("Choisir ce qui arrive par où, et quand")
    person.arrive("Préférences de messages")


def ask_for_quiet_nights(person: Person) -> None:
    """Ask for quiet hours from 22:00 to 7:00, in which slot alerts wait too, and for one message a day, at 7:00."""
    for label in (_DAILY, _QUIET, _QUIET_SLOTS):
        person.hands.tick(person.field(label))
    for label, hour in _HOURS.items():
        person.hands.write_hour(_find_hour(person, label), hour)
    _save(person)


def see_quiet_nights(person: Person) -> None:
    """Check that the reloaded page shows these choices."""
    person.page.reload()
    for label in (_DAILY, _QUIET, _QUIET_SLOTS):
        expect(person.field(label)).to_be_checked()
    for label, hour in _HOURS.items():
        expect(_find_hour(person, label)).to_have_value(hour)


def stop_mails_about_desks(person: Person) -> None:
    """Take away the mails about the state of desks."""
    desks = person.main.get_by_role("group", name=person.words.match("État des guichets"))
    mail = desks.get_by_label(person.words.match_label("E-mail"))
    person.hands.untick(mail)
    _save(person)
    expect(mail).not_to_be_checked()


def _save(person: Person) -> None:
    person.press("Enregistrer")
    person.see_notice("C’est enregistré.")


def _find_hour(person: Person, french: str) -> Locator:
    """Return a field of quiet hours or of the daily message: hours of calls have the same labels elsewhere."""
    if french not in {"De", "À"}:
        return person.field(french)
    quiet = person.main.get_by_role("region", name=person.words.match("Heures calmes"))
    return quiet.get_by_label(person.words.match_label(french))


# The second factor: setting it up, and its recovery codes.


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


# Personal data: the archive that is taken along, and the deletion of the account.


_DOWNLOAD = "Télécharger l’archive (ZIP)"


def open_data(person: Person) -> None:
    """Open the page by the navigation."""
    person.hands.press(
        person.page.get_by_role("navigation").get_by_role("link", name=person.words.match("Mes données"))
    )
    person.arrive("Mes données")


def take_archive(person: Person, file: Path) -> None:
    """Ask for the archive, wait until it is made, and keep it as a file."""
    person.press("Préparer mon archive")
    person.see_notice("Votre archive est en préparation. Un message dira qu’elle est prête.")

    def is_ready() -> bool:
        person.open("/donnees", "Mes données")
        return person.link(_DOWNLOAD).count() == 1

    until(is_ready, pause=LOOK)
    with person.page.expect_download() as download:
        person.follow(_DOWNLOAD)
    download.value.save_as(file)


def delete_account(person: Person) -> None:
    """Delete the account with its running plan: the box is asked for once it is left out."""
    person.follow("Aller à la suppression")
    person.arrive("Supprimer mon compte")
    person.see("Ce que vous perdez")
    delete = "Supprimer mon compte définitivement"
    person.press(delete)
    person.arrive("Supprimer mon compte")
    person.hands.tick(person.main.get_by_role("checkbox"))
    person.press(delete)
    person.arrive("Se connecter")
    person.see_notice("Votre compte est supprimé. Un dernier message le confirme.")
