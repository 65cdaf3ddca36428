"""Alerts that wait: for a wish that cannot be watched, and for the hours that a person prefers."""

from collections.abc import Callable

from playwright.sync_api import expect

from api.notifications.reasons import Reason
from deploy.local.stack import Stack
from tests.browser.journeys import seats
from tests.browser.journeys.conftest import MakePerson
from tests.browser.navigators import account, alerts, home, sign_in
from tests.lab.bench.latency import open_slot
from tests.waiting import until
from tests.whole.visitor import LOOK, grant_plan

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


# Preferences of messages, the alert that they hold back, and its notice in the account, in seats.each language.


TITLE = "Essonne (91)"
WISH = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"]}


@seats.each(
    seats.FRENCH_NARROW, seats.ENGLISH_WIDE, seats.ENGLISH_NARROW, seats.ARABIC_NARROW, seats.ARABIC_WIDE_BARE
)
def test_preferences_hold_an_alert_back_and_the_account_shows_it(
    stack: Stack, make_person: MakePerson, closed_desk: Callable[[], None], seat: seats.Seat
) -> None:
    person = make_person(seat)
    sign_in.join(person)
    grant_plan(stack, person.visitor.email)
    account.open_preferences(person)
    account.ask_for_quiet_nights(person)
    account.stop_mails_about_desks(person)
    account.see_quiet_nights(person)
    person.visitor.sign_in()
    alert = person.visitor.ask("POST", "/alerts", WISH, expect=201)["id"]
    until(lambda: person.visitor.ask("GET", f"/alerts/{alert}")["lastProvenAt"], pause=LOOK)
    open_slot(stack)
    until(lambda: person.visitor.ask("GET", "/notices")["unread"], pause=LOOK)
    account.open_messages(person)
    expect(account.find_with_reason(person, Reason.DIGEST)).to_have_count(1)
    account.open_notices(person)
    account.read_all_notices(person, TITLE)
    assert person.visitor.messages("email", slots=True) == []
    closed_desk()
