"""Preferences of messages: what arrives where, and when."""

from playwright.sync_api import Locator, expect

from tests.browser.navigators.person import Person

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
