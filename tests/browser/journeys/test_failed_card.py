"""Cards that fail, and a Checkout that is left: nothing is paid, and nothing is lost."""

import re

from playwright.sync_api import expect

from tests.browser.journeys import seats
from tests.browser.journeys.conftest import MakePerson
from tests.browser.navigators import plan, sign_in
from tests.browser.watch import Watch

pytestmark = seats.MARKS
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
