"""The way of a visitor: the choice of a wish, and the advice for it."""

from playwright.sync_api import expect

from tests.browser.navigators.person import Person

_NONE_KNOWN = "Aucune page de rendez-vous n’est connue pour cette démarche dans ce département."


def open_home(person: Person) -> None:
    """Open the first page."""
    person.open("/", "Une place se libère en préfecture : vous le savez aussitôt")


def choose_wish(person: Person, department: str, procedure: str) -> None:
    """Choose department and procedure; the advice comes."""
    person.hands.choose(person.field("Département"), department)
    person.hands.choose(person.field("Démarche"), person.words.say(procedure))
    person.press("Voir ce qui est surveillé")
    person.arrive_at(person.words.match_start(procedure))


def choose_plan(person: Person, plan: str) -> None:
    """Choose a plan of the advice; it leads to a new account."""
    person.see("Ce que coûte une alerte")
    person.hands.press(
        person.main.get_by_role("button", name=person.words.match_start("Choisir", rest=plan)).first
    )
    person.arrive("Créer un compte")


def ask_to_be_told(person: Person) -> None:
    """Ask to be told when the wish can be watched; an address alone is enough for that."""
    person.follow("Me prévenir quand ce sera possible")
    person.arrive("Me prévenir quand ce sera possible")
    expect(person.field("Adresse e-mail")).to_be_visible()


def see_unwatched(person: Person) -> None:
    """Wait until the advice says that nothing can be watched, and what helps anyway."""
    person.see(_NONE_KNOWN)
    person.see("Nous ne vendons pas d’alerte pour cette démarche ici.")
    person.see("Sans attendre un rendez-vous en ligne")
    site = person.words.match_start("Regarder sur le site de la préfecture")
    expect(person.main.get_by_role("link", name=site)).to_be_visible()
