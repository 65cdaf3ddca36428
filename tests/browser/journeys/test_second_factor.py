"""A second factor: set up, asked for at the sign-in, and replaced by a recovery code."""

from playwright.sync_api import expect

from tests.browser.journeys.conftest import MakePerson
from tests.browser.journeys.seats import ARABIC_NARROW, ARABIC_WIDE_BARE, FRENCH_WIDE, MARKS, Seat, each
from tests.browser.navigators import security, sign_in

pytestmark = MARKS


@each(FRENCH_WIDE, ARABIC_NARROW, ARABIC_WIDE_BARE)
def test_a_second_factor_is_asked_for_and_can_be_replaced(make_person: MakePerson, seat: Seat) -> None:
    person = make_person(seat)
    sign_in.join(person)
    security.open_security(person)
    recovery_codes = security.enable_second_factor(person)
    assert len(set(recovery_codes)) == 10
    sign_in.sign_out(person)
    security.sign_in_with(person, person.visitor.next_code())
    sign_in.sign_out(person)
    security.sign_in_with(person, recovery_codes[3])
    sign_in.sign_out(person)
    security.try_code(person, recovery_codes[3])  # each is good once
    expect(person.main.get_by_role("alert")).to_be_visible()
    expect(person.field("Code")).to_have_value("")
