"""A wish that cannot be watched: it is not sold, and an alert for it waits for free."""

from playwright.sync_api import expect

from tests.browser.journeys import seats
from tests.browser.journeys.conftest import MakePerson
from tests.browser.navigators import alerts, home, sign_in

pytestmark = seats.MARKS


@seats.each(seats.FRENCH_NARROW, seats.ARABIC_WIDE, seats.ARABIC_WIDE_BARE)
def test_a_wish_that_cannot_be_watched_waits_for_free(make_person: MakePerson, seat: seats.Seat) -> None:
    person = make_person(seat)
    home.open_home(person)
    home.choose_wish(person, "92", "Titre de séjour")
    home.see_unwatched(person, elsewhere="(93)")
    home.ask_to_be_told(person)
    sign_in.register(person)
    sign_in.confirm_address(person)
    sign_in.open_sign_in(person)
    sign_in.write_credentials(person)
    person.arrive("Nouvelle alerte")
    alerts.wait_for_watch(person)
    person.open("/dashboard", "Mes alertes")
    person.see("En attente")
    person.see("Vous n’avez pas de formule en cours.")
    expect(person.main.get_by_role("listitem")).to_contain_text(["Hauts-de-Seine (92)"])


def test_the_way_from_the_advice_leads_to_a_place_that_is_watched(make_person: MakePerson) -> None:
    person = make_person(seats.FRENCH_WIDE)
    person.open("/departements/nanterre_92/titre-sejour")
    home.see_unwatched(person, elsewhere="(93)")
    home.follow_elsewhere(person, "(93)")
    person.see("Ce que coûte une alerte")
