"""Accounts and sessions: registering, signing in and out, the links of mails."""

import re

from tests.browser.navigators.person import Person
from tests.waiting import until


def register(person: Person) -> None:
    """Fill the form of a new account; the page says that a mail is on its way."""
    person.write("Adresse e-mail", person.visitor.email)
    person.write("Mot de passe", person.visitor.password)
    person.press("Créer mon compte")
    person.arrive("Confirmez votre adresse")


def confirm_address(person: Person) -> str:
    """Open the mail's link in a tab of its own, as mail programs do, and press its button; return the link."""
    link = person.visitor.find_link()
    tab = person.open_tab()
    tab.page.goto(link)
    tab.arrive("Confirmer votre adresse ?")
    tab.press("Oui, confirmer mon adresse")
    tab.arrive("Votre adresse est confirmée")
    return link


def open_sign_in(person: Person) -> None:
    """Go from the page that waits for the confirmation to the sign-in."""
    person.follow("Se connecter")
    person.arrive("Se connecter")


def write_credentials(person: Person) -> None:
    """Fill and send the form of the sign-in; the caller waits for what it leads to."""
    person.write("Adresse e-mail", person.visitor.email)
    person.write("Mot de passe", person.visitor.password)
    person.hands.press(person.main.get_by_role("button", name=person.words.match("Se connecter")))


def join(person: Person) -> None:
    """Sign in as a new user, whose address is confirmed."""
    person.visitor.register(person.words.language)
    sign_in(person)


def sign_in(person: Person) -> None:
    """Sign in from the first page's link to the account; the list of alerts comes."""
    person.open("/dashboard", "Se connecter")
    write_credentials(person)
    person.arrive("Mes alertes")


def sign_out(person: Person) -> None:
    """End the session."""
    person.press("Se déconnecter")
    person.arrive("Se connecter")
    person.see_notice("Vous êtes déconnecté.")


def send_held_form(person: Person) -> None:
    """Send the form that went through the sign-in, by one more press; the caller waits for what follows."""
    person.arrive("Envoyez encore une fois")
    person.press("Envoyer")


def find_reset_link(person: Person) -> str:
    """Ask for a link to a new password; return the one that the mail has."""
    person.open("/forgot", "Mot de passe oublié")
    person.write("Adresse e-mail", person.visitor.email)
    person.press("Recevoir le lien")
    person.arrive("Se connecter")
    person.see_notice("Si un compte a cette adresse, un message est en route. Il contient un lien.")
    links: list[str] = until(lambda: _find_links(person, "reset"))
    return links[-1]


def choose_password(person: Person, link: str, password: str) -> None:
    """Open a mail's link, and choose a new password."""
    person.page.goto(link)
    person.arrive("Choisissez un nouveau mot de passe")
    person.write("Nouveau mot de passe", password)
    person.press("Changer mon mot de passe")
    person.arrive("Votre mot de passe a changé")
    person.visitor.password = password


def _find_links(person: Person, kind: str) -> list[str]:
    texts = [each["text"] for each in person.visitor.messages("email")]
    return [found[0] for text in texts if (found := re.search(rf"http://\S+/l/{kind}\.\S+", text))]
