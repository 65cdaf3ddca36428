"""Steps that are taken twice: the way back after a payment, a double click, a link that was used."""

from playwright.sync_api import expect

from tests.browser.journeys import seats
from tests.browser.journeys.conftest import MakePerson
from tests.browser.navigators import plan, sign_in

pytestmark = seats.MARKS


@seats.each(seats.FRENCH_NARROW, seats.ARABIC_WIDE)
def test_the_way_back_after_a_payment_pays_nothing_again(make_person: MakePerson, seat: seats.Seat) -> None:
    person = make_person(seat)
    plan.become_customer(person)
    plan.see_plan(person, "URGENCE 7J")
    person.page.go_back()
    expect(person.page.get_by_role("heading", level=1)).to_have_text("Déjà payé")
    person.page.get_by_role("link", name="Retour au site").click()
    plan.arrive_paid(person)
    plan.open_plans(person)
    expect(person.main.get_by_role("table").get_by_role("row")).to_have_count(2)  # the head and one payment


@seats.each(seats.FRENCH_WIDE, seats.ARABIC_NARROW)
def test_an_order_in_another_tab_is_not_paid_twice(make_person: MakePerson, seat: seats.Seat) -> None:
    person = make_person(seat)
    sign_in.join(person)
    plan.open_plans(person)
    other = person.open_tab()
    plan.open_order(other, "URGENCE_24H")
    plan.choose_plan(person, "URGENCE 24H")
    plan.order(person)
    plan.pay(person)
    plan.tick_boxes(other)
    other.press("commande avec obligation de paiement")
    other.see("Une commande a été payée entre-temps. Voici ce que celle-ci donnerait de plus.")


@seats.each(seats.FRENCH_WIDE, seats.ARABIC_NARROW, seats.FRENCH_NARROW_BARE)
def test_a_double_click_on_an_order_leads_to_one_payment(make_person: MakePerson, seat: seats.Seat) -> None:
    person = make_person(seat)
    sign_in.join(person)
    plan.open_order(person, "URGENCE_24H")
    plan.tick_boxes(person)
    person.button("commande avec obligation de paiement").dblclick()
    person.page.wait_for_url("**/c/pay/**")
    plan.pay(person)
    plan.open_plans(person)
    expect(person.main.get_by_role("table").get_by_role("row")).to_have_count(2)


@seats.each(seats.FRENCH_NARROW, seats.ARABIC_WIDE)
def test_a_link_that_was_used_says_so(make_person: MakePerson, seat: seats.Seat) -> None:
    person = make_person(seat)
    person.open("/register", "Créer un compte")
    sign_in.register(person)
    link = sign_in.confirm_address(person)
    person.page.goto(link)
    person.arrive("Votre adresse est confirmée")
    reset = sign_in.find_reset_link(person)
    sign_in.choose_password(person, reset, "quatre-vélos-sous-la-pluie")
    person.page.goto(reset)
    person.arrive("Ce lien a déjà servi")
    person.follow("Recevoir le lien")
    person.arrive("Mot de passe oublié")
    sign_in.sign_in(person)
