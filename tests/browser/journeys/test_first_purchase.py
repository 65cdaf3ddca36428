"""The journey that the product is for: from the first page to the appointment, the upgrade and the end."""

from collections.abc import Callable
from datetime import date

from deploy.local.stack import Stack
from tests.browser.journeys import seats
from tests.browser.journeys.conftest import MakePerson
from tests.browser.navigators import alerts, home, messages, plan, sign_in
from tests.browser.navigators.person import Person
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
    messages.read_slot_alert(person, TITLE)
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
