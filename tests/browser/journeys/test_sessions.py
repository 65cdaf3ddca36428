"""Sessions that end in the middle of a form, two tabs, and a second factor."""

from playwright.sync_api import expect

from tests.browser.journeys import seats
from tests.browser.journeys.conftest import MakePerson
from tests.browser.journeys.seats import ARABIC_NARROW, ARABIC_WIDE_BARE, FRENCH_WIDE, Seat, each
from tests.browser.navigators import account, alerts, sign_in
from tests.browser.watch import Watch

pytestmark = seats.MARKS
_SENT_AGAIN = 403  # a form with the token of another login is shown again
_NAME = "Maman <b>& moi</b> “été” ١٢"


@seats.each(seats.FRENCH_NARROW, seats.ARABIC_WIDE, seats.FRENCH_NARROW_BARE)
def test_a_form_whose_session_ended_is_sent_by_one_more_press(
    make_person: MakePerson, seat: seats.Seat
) -> None:
    person = make_person(seat)
    sign_in.join(person)
    alerts.open_waiting_form(person)
    person.visitor.sign_in()
    person.visitor.ask("POST", "/auth/logout-all", expect=204)  # from another device
    alerts.ask_to_wait(person, _NAME)
    person.arrive("Se connecter")
    person.see(
        "Votre session est terminée. Ce que vous avez écrit est gardé : connectez-vous, puis envoyez-le."
    )
    sign_in.write_credentials(person)
    expect(person.main).to_contain_text(_NAME)
    sign_in.send_held_form(person)
    alerts.arrive_at(person, _NAME)


@seats.each(seats.FRENCH_WIDE, seats.ARABIC_NARROW)
def test_a_form_of_an_earlier_login_is_sent_by_one_more_press(
    make_person: MakePerson, watch: Watch, seat: seats.Seat
) -> None:
    watch.expect(_SENT_AGAIN)
    person = make_person(seat)
    sign_in.join(person)
    alerts.open_waiting_form(person)
    other = person.open_tab()
    other.open("/dashboard", "Mes alertes")
    sign_in.sign_out(other)
    sign_in.write_credentials(other)
    other.arrive("Mes alertes")
    alerts.ask_to_wait(person, _NAME)
    sign_in.send_held_form(person)
    alerts.arrive_at(person, _NAME)


@seats.each(seats.FRENCH_NARROW, seats.ARABIC_WIDE)
def test_two_tabs_that_do_the_same_agree(make_person: MakePerson, seat: seats.Seat) -> None:
    person = make_person(seat)
    sign_in.join(person)
    alerts.open_waiting_form(person)
    other = person.open_tab()
    alerts.open_waiting_form(other)
    for tab in (person, other):
        alerts.ask_to_wait(tab, _NAME)
        alerts.arrive_at(tab, _NAME)
    assert person.page.url == other.page.url


# A second factor: set up, asked for at the sign-in, and replaced by a recovery code.


@each(FRENCH_WIDE, ARABIC_NARROW, ARABIC_WIDE_BARE)
def test_a_second_factor_is_asked_for_and_can_be_replaced(make_person: MakePerson, seat: Seat) -> None:
    person = make_person(seat)
    sign_in.join(person)
    account.open_security(person)
    recovery_codes = account.enable_second_factor(person)
    assert len(set(recovery_codes)) == 10
    sign_in.sign_out(person)
    account.sign_in_with(person, person.visitor.next_code())
    sign_in.sign_out(person)
    account.sign_in_with(person, recovery_codes[3])
    sign_in.sign_out(person)
    account.try_code(person, recovery_codes[3])  # each is good once
    expect(person.main.get_by_role("alert")).to_be_visible()
    expect(person.field("Code")).to_have_value("")
