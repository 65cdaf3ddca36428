"""Accounts and sessions: registering, signing in and out, the links of mails."""

from tests.browser.navigators.person import Person


def register(person: Person) -> None:
    """Fill the form of a new account; the page says that a mail is on its way."""
    person.write("Adresse e-mail", person.visitor.email)
    person.write("Mot de passe", person.visitor.password)
    person.press("Créer mon compte")
    person.arrive("Confirmez votre adresse")


def give_address(person: Person) -> None:
    """Give the address alone; the page says that a mail is on its way there."""
    person.write("Adresse e-mail", person.visitor.email)
    person.press("Recevoir le message")
    person.arrive("Confirmez votre adresse")
    person.see_notice("Le message est parti vers %(email)s.")


def confirm_address(person: Person, button: str) -> None:
    """Open the mail's link, and press its button; the caller waits for the page that it leads on to."""
    person.page.goto(person.visitor.find_link())
    person.hands.presses += 1
    person.arrive("Confirmer votre adresse ?")
    person.press(button)


def write_code(person: Person) -> None:
    """Write the code of the mail into the page that waits for it; the caller waits for what it leads on to."""
    person.write("Code", person.visitor.find_code())
    person.press("Continuer")


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
