"""Cancellation without a login: undone by the mail's link, then confirmed by it."""

from tests.browser.journeys.conftest import MakePerson
from tests.browser.journeys.seats import ARABIC_NARROW, FRENCH_WIDE, MARKS, Seat, each
from tests.browser.navigators import declarations, plan

pytestmark = MARKS


@each(FRENCH_WIDE, ARABIC_NARROW)
def test_a_contract_is_cancelled_without_a_login_and_the_notice_undone(
    make_person: MakePerson, seat: Seat
) -> None:
    person = make_person(seat)
    plan.become_customer(person, "URGENCE TOTAL")
    stranger = make_person(seat)  # another browser, without a sign-in
    stranger.visitor = person.visitor
    number = declarations.find_order_number(person)
    declarations.cancel_without_login(stranger, number)
    first = declarations.open_notice(stranger)
    stranger.press("Annuler la résiliation")
    stranger.see_notice("Cette résiliation est annulée : le contrat continue.")
    plan.open_plans(person)
    person.see("Chaque mois, jusqu’à votre résiliation")
    declarations.cancel_without_login(stranger, number)
    declarations.open_notice(stranger, first)
    stranger.press("Confirmer la résiliation")
    stranger.see_notice("Le contrat finit le %(end)s.")
    plan.open_plans(person)
    person.see("Aucun : résilié, fin le %(end)s")
