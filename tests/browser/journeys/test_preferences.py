"""Preferences of messages, the alert that they hold back, and its notice in the account, in seats.each language."""

from collections.abc import Callable

from playwright.sync_api import expect

from api.notifications.reasons import Reason
from deploy.local.stack import Stack
from tests.browser.journeys import seats
from tests.browser.journeys.conftest import MakePerson
from tests.browser.navigators import messages, preferences, sign_in
from tests.lab.bench.latency import open_slot
from tests.waiting import until
from tests.whole.granted_plans import grant_plan
from tests.whole.visitor import LOOK

pytestmark = seats.MARKS
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
    preferences.open_preferences(person)
    preferences.ask_for_quiet_nights(person)
    preferences.stop_mails_about_desks(person)
    preferences.see_quiet_nights(person)
    person.visitor.sign_in()
    alert = person.visitor.ask("POST", "/alerts", WISH, expect=201)["id"]
    until(lambda: person.visitor.ask("GET", f"/alerts/{alert}")["lastProvenAt"], pause=LOOK)
    open_slot(stack)
    until(lambda: person.visitor.ask("GET", "/notices")["unread"], pause=LOOK)
    messages.open_messages(person)
    expect(messages.find_with_reason(person, Reason.DIGEST)).to_have_count(1)
    messages.open_notices(person)
    messages.read_all_notices(person, TITLE)
    assert person.visitor.messages("email", slots=True) == []
    closed_desk()
