"""The journey that the product is for, from the first page to the end; cards that fail, and steps that are taken twice."""

import re
from collections.abc import Callable
from datetime import date

from playwright.sync_api import expect

from deploy.local.stack import Stack
from tests.browser.journeys import seats
from tests.browser.journeys.conftest import MakePerson
from tests.browser.navigators import account, alerts, home, plan, sign_in
from tests.browser.navigators.person import Person
from tests.browser.watch import Watch
from tests.lab.bench.latency import open_slot
from tests.waiting import until
from tests.whole.visitor import LOOK

pytestmark = seats.MARKS
TITLE = "Essonne (91)"
_DAY = date(2027, 1, 1)


@seats.each(
    seats.FRENCH_WIDE,
    seats.ARABIC_NARROW,
    seats.FRENCH_NARROW_BARE,
    seats.ARABIC_WIDE_BARE,
    seats.FRENCH_KEYBOARD,
)
def test_a_visitor_buys_and_finds_an_appointment(
    stack: Stack, make_person: MakePerson, closed_desk: Callable[[], None], seat: seats.Seat
) -> None:
    person = make_person(seat)
    buy_from_the_first_page(person)
    alerts.open_first_alert(person, TITLE)
    alerts.wait_watched(person)
    alerts.wait_for_slot(person, lambda: open_slot(stack))
    alerts.wait_for_message(person)
    (mail,) = until(lambda: person.visitor.messages("email", slots=True), pause=LOOK)
    assert "Essonne" in mail["text"]
    account.read_slot_alert(person, TITLE)
    alerts.see_proof(person)
    alerts.report_found(person, _DAY, "10:30", "Évry, guichet 3")
    closed_desk()
    plan.open_plans(person)
    plan.choose_plan(person, "URGENCE TOTAL")
    plan.order(person)
    plan.pay(person)
    plan.open_plans(person)
    plan.cancel(person)


def buy_from_the_first_page(person: Person) -> None:
    """Go from the first page to the dashboard that shows the paid plan and its alert."""
    home.open_home(person)
    home.choose_wish(person, "91", "Naturalisation")
    home.choose_plan(person, "URGENCE 7J")
    sign_in.register(person)
    sign_in.confirm_address(person)
    sign_in.open_sign_in(person)
    sign_in.write_credentials(person)
    plan.arrive_at_order(person, "URGENCE 7J")
    plan.order(person)
    plan.pay(person)
    plan.see_plan(person, "URGENCE 7J")


# Cards that fail, and a Checkout that is left: nothing is paid, and nothing is lost.


_PAYMENT_REQUIRED = 402  # how the stand-in answers a card that is declined


@seats.each(seats.FRENCH_WIDE, seats.ARABIC_NARROW)
def test_a_card_that_is_declined_can_be_replaced(
    make_person: MakePerson, watch: Watch, seat: seats.Seat
) -> None:
    watch.expect(_PAYMENT_REQUIRED)
    person = make_person(seat)
    sign_in.join(person)
    plan.open_plans(person)
    plan.choose_plan(person, "URGENCE 24H")
    plan.order(person)
    plan.choose_card(person, "est refusée")
    expect(person.page.get_by_role("alert")).to_have_text(plan.DECLINED)
    plan.leave_checkout(person)
    person.follow("Commander de nouveau")
    plan.choose_plan(person, "URGENCE 24H")
    plan.order(person)
    plan.choose_card(person, "4242")
    plan.arrive_paid(person)
    plan.see_plan(person, "URGENCE 24H")


@seats.each(seats.FRENCH_NARROW, seats.ARABIC_WIDE)
def test_a_bank_that_refuses_leads_back_to_the_card(
    make_person: MakePerson, watch: Watch, seat: seats.Seat
) -> None:
    watch.expect(_PAYMENT_REQUIRED)
    person = make_person(seat)
    sign_in.join(person)
    plan.open_plans(person)
    plan.choose_plan(person, "URGENCE 24H")
    plan.order(person)
    plan.choose_card(person, "demande 3-D Secure à chaque fois")
    person.page.get_by_role("button", name="Refuser").click()
    expect(person.page.get_by_role("alert")).to_have_text(plan.DECLINED)
    plan.choose_card(person, "demande 3-D Secure à chaque fois")
    person.page.get_by_role("button", name=re.compile("Confirmer")).click()
    plan.arrive_paid(person)


# Steps that are taken twice: the way back after a payment, a double click, a link that was used.


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
