"""Plans: the order with its boxes, Stripe's stand-in, the return, the end of a subscription."""

import re

from playwright.sync_api import Locator, expect

from tests.browser.navigators.person import Person
from tests.waiting import until
from tests.whole.visitor import LOOK

_BUTTON = re.compile("Payer|S’abonner")  # the stand-in speaks French


def arrive_at_order(person: Person, plan: str) -> None:
    """Wait for the order of a plan."""
    person.arrive("Votre commande")
    expect(person.main.locator("dl").filter(has_text=plan).first).to_be_visible()


def open_order(person: Person, plan: str) -> None:
    """Open the order of a plan, for a wish that is watched, by its address."""
    wish = "prefecture=evry-courcouronnes_91&procedure=NATURALISATION"
    person.open(f"/formule/commande?plan={plan}&{wish}", "Votre commande")


def wait_until_it_says(person: Person, french: str) -> None:
    """Load the page again until its main part says this: what its desk's site did last is not live."""
    said = person.main.get_by_text(person.words.match_part(french)).first

    def is_said() -> bool:
        person.page.reload()
        return said.is_visible()

    until(is_said, pause=LOOK)


def tick_boxes(person: Person) -> None:
    """Tick the two boxes, none of which is ticked before."""
    boxes = person.main.get_by_role("checkbox")
    expect(boxes).to_have_count(2)
    for each in boxes.all():
        expect(each).not_to_be_checked()
        person.hands.tick(each)


def order(person: Person) -> None:
    """Tick the two boxes, and order; Checkout comes."""
    tick_boxes(person)
    person.press("commande avec obligation de paiement")
    person.page.wait_for_url("**/c/pay/**")


def pay(person: Person) -> None:
    """Pay at Checkout; the dashboard comes, and says in the end that the payment is confirmed."""
    person.hands.press(person.page.get_by_role("button", name=_BUTTON))
    arrive_paid(person)


def arrive_paid(person: Person) -> None:
    """Wait on the dashboard, where Checkout leads back to, until the payment is confirmed."""
    person.page.wait_for_url("**/dashboard?payment=success**")
    person.arrive("Mes alertes")
    confirmed = person.main.get_by_text(person.words.match("Votre paiement est confirmé."))
    if not person.has_scripts:
        until(lambda: _is_confirmed(person, confirmed), pause=LOOK)
    expect(confirmed).to_be_visible()


def _is_confirmed(person: Person, confirmed: Locator) -> bool:
    """Whether the page says so; else it is refreshed by its link, as without scripts."""
    if confirmed.is_visible():
        return True
    person.follow("Actualiser la page")
    person.arrive("Mes alertes")
    return False


def see_plan(person: Person, plan: str) -> None:
    """Wait until the dashboard itself shows the plan, not only its notice."""
    expect(person.main.locator("p.lead")).to_contain_text(plan)


def open_plans(person: Person) -> None:
    """Open the page of the plan by the navigation."""
    person.hands.press(
        person.page.get_by_role("navigation").get_by_role("link", name=person.words.match("Offre"))
    )
    person.arrive("Offre")


def choose_plan(person: Person, plan: str) -> None:
    """Choose a plan on the page of plans; its order comes, and asks what is to be watched."""
    name = person.words.match_start("Choisir cette offre", rest=plan)
    person.hands.press(person.main.get_by_role("link", name=name).first)
    person.arrive("Votre commande")
    person.hands.choose(person.field("Département"), "91")
    person.hands.choose(person.field("Démarche"), person.words.say("Naturalisation"))
    person.press("Ajouter cette alerte")
    arrive_at_order(person, plan)


def cancel(person: Person) -> None:
    """End the subscription at the end of what is paid, undo that, and end it; the page of the plan says when it is."""
    _give_notice(person)
    person.hands.press(person.button("Annuler la résiliation").first)
    person.see_notice("La résiliation est annulée : votre contrat continue.")
    _give_notice(person)
    person.see("Aucun : résilié, fin le %(end)s")


def _give_notice(person: Person) -> None:
    person.hands.press(person.main.get_by_role("link", name=person.words.match("résilier votre contrat")))
    person.arrive("Résilier votre contrat")
    person.hands.press(person.button("Choisir la fin de la période, %(end)s").first)
    person.arrive("Résilier votre contrat")
    person.hands.press(person.button("notification de la résiliation").first)
    person.arrive("Offre")
    person.see_notice("Votre résiliation est notifiée. Le contrat prend fin le %(end)s.")
