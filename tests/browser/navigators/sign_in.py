"""Accounts and sessions: registering, signing in and out, the links of mails."""

from tests.browser.navigators.person import Person


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


def send_held_form(person: Person) -> None:
    """Send the form that went through the sign-in, by one more press; the caller waits for what follows."""
    person.arrive("Envoyez encore une fois")
    person.press("Envoyer")
