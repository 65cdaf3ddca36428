"""Operators' pages, in French: from an incident to its host and back, actions that ask once more."""

import re
from urllib.parse import quote

from click.testing import CliRunner
from playwright.sync_api import Locator, expect

from api.commands import admin_command
from tests.browser.navigators import account, sign_in
from tests.browser.navigators.person import Person
from tests.waiting import until
from tests.whole.visitor import LOOK


def join_as_admin(person: Person) -> None:
    """Become a user, an admin by the command, and one with a second factor, which this login has shown."""
    sign_in.join(person)
    done = CliRunner().invoke(admin_command, [person.visitor.email, "--another"])
    assert done.exit_code == 0, done.output
    account.open_security(person)
    account.enable_second_factor(person)
    sign_in.sign_out(person)
    account.sign_in_with(person, person.visitor.next_code())


def open_status(person: Person) -> None:
    """Open the first of the operators' pages by the account's navigation."""
    person.hands.press(_find_navigation(person).get_by_role("link", name="Administration", exact=True))
    arrive(person, "État")


def open_area(person: Person, link: str, heading: str) -> None:
    """Open a list by the operators' navigation."""
    person.hands.press(_find_navigation(person).get_by_role("link", name=link, exact=True))
    arrive(person, heading)


def arrive(person: Person, heading: str) -> None:
    """Wait for a page by its heading, and check what holds for every page."""
    person.arrive_at(re.compile(rf"^\s*{re.escape(heading)}\s*$"))


def find_incident(person: Person, subject: str) -> int:
    """Reload the list of incidents until one of this subject is there; open it, and return its number."""
    path = f"/admin/incidents?open=true&subject={quote(subject)}"
    link = person.main.get_by_role("table").get_by_role("link").first

    def is_there() -> bool:
        person.open(path)
        return link.count() == 1

    until(is_there, pause=LOOK)
    name = link.inner_text()
    person.hands.press(link)
    number, _, reason = name.partition(" · ")
    arrive(person, f"Incident {number} : {reason.lower()}")
    return int(number)


def follow(person: Person, text: str, heading: str) -> None:
    """Follow a link of the page's main part by its whole text, and wait for the page that it leads to."""
    person.hands.press(person.main.get_by_role("link", name=text, exact=True))
    arrive(person, heading)


def confirm(person: Person, button: str, *, typed: str = "", reason: str = "", label: str = "Raison") -> None:
    """Fill the form of an action, and press its button; the caller waits for what follows."""
    if reason:
        person.hands.write(person.main.get_by_label(label), reason)
    if typed:
        person.hands.write(person.main.get_by_label("Pour confirmer"), typed)
    person.hands.press(find_button(person, button))


def prove_if_asked(person: Person) -> None:
    """Give password and code once more where the last time is long ago; the page that needed it comes."""
    heading = person.page.get_by_role("heading", level=1)
    expect(heading).not_to_be_empty()
    if heading.inner_text() == "Confirmez que c’est vous":
        person.hands.write(person.main.get_by_label("Mot de passe"), person.visitor.password)
        person.hands.write(person.main.get_by_label("Code"), person.visitor.next_code())
        person.hands.press(find_button(person, "Continuer"))


def see_done(person: Person, text: str) -> None:
    """Wait until the page says what was done."""
    expect(person.main.get_by_role("status").first).to_contain_text(text)


def find_button(person: Person, text: str) -> Locator:
    return person.main.get_by_role("button", name=text, exact=True)


def _find_navigation(person: Person) -> Locator:
    return person.page.get_by_role("banner").get_by_role("navigation")
