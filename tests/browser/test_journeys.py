"""The journey that the product is for, from the first page to the end; and a wish that waits until it can be watched.

A whole stack, and people in front of real browsers, each in a seat: language, width, scripts, mouse or keyboard.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal
from uuid import uuid4

import pytest
import redis
import sqlalchemy as sa
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from api.models.slot import SlotRow
from deploy.local.seed import seed
from deploy.local.stack import Stack
from deploy.sandbox.addresses import STRIPE, url
from tests.browser.navigators import alerts, home, plan, sign_in
from tests.browser.navigators.person import Hands, Keyboard, Person, Words
from tests.browser.site import MakeContext
from tests.browser.watch import Watch
from tests.lab.bench.latency import control, hasty, open_slot, take_all
from tests.sample_desk_files import only
from tests.waiting import PATIENCE, until
from tests.whole.conftest import STACK_JOURNEY, quiet_stack
from tests.whole.visitor import LOOK, Visitor

pytestmark = STACK_JOURNEY
DESK, TITLE = "evry-courcouronnes_91/naturalisation", "Essonne (91)"
_UNWATCHED = ("77", "Visa")
WIDE, NARROW = 1280, 390  # pixels
_DAY = date(2027, 1, 1)
_GO_ON = "Confirmer et continuer ma commande"
_NAME = "Maman <b>& moi</b> “été” ١٢"
_PATIENCE = PATIENCE * 1000  # milliseconds, for a page of a busy machine


@dataclass(frozen=True)
class Seat:
    """A place in front of a browser. `javascript`: it runs scripts."""

    language: str
    width: int
    javascript: bool = True
    hands: type[Hands] = Hands

    def __str__(self) -> str:
        scripts = "" if self.javascript else "-no-scripts"
        keys = "-keyboard" if self.hands is Keyboard else ""
        return f"{self.language}-{self.width}{scripts}{keys}"


FRENCH_WIDE: Final = Seat("fr", WIDE)
ARABIC_NARROW: Final = Seat("ar", NARROW)
FRENCH_NARROW: Final = Seat("fr", NARROW)
FRENCH_NARROW_BARE: Final = Seat("fr", NARROW, javascript=False)
ARABIC_WIDE_BARE: Final = Seat("ar", WIDE, javascript=False)
FRENCH_KEYBOARD: Final = Seat("fr", WIDE, hands=Keyboard)
MakePerson = Callable[[Seat], Person]


def each(*seats: Seat) -> pytest.MarkDecorator:
    """Let a test run once in each of these seats."""
    return pytest.mark.parametrize("seat", seats, ids=str)


def keep_few_desks(text: str) -> str:
    """Keep the desks of one system."""
    return only("ezbooking", hasty(text))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with quiet_stack(keep_few_desks) as made:
        seed(made)
        yield made


@pytest.fixture
def make_person(stack: Stack, make_context: MakeContext, watch: Watch) -> MakePerson:
    """Return what seats a new person in front of a browser."""
    expect.set_options(timeout=_PATIENCE)
    watch.trust(url(STRIPE, stack.ports.providers))
    watch.trust(stack.environment["LIVE_URL"])
    front = f"http://127.0.0.1:{stack.ports.api}"

    def make(seat: Seat) -> Person:
        _forget_limits(stack)
        context = make_context(front, language=seat.language, width=seat.width, javascript=seat.javascript)
        context.set_default_timeout(_PATIENCE)
        visitor = Visitor(stack, f"{uuid4().hex}@example.org")
        words = Words(seat.language)
        return Person(context.new_page(), words, visitor, front, seat.hands(), seat.javascript)

    return make


@pytest.fixture
def closed_desk(stack: Stack) -> Callable[[], None]:
    """Take all slots of the desk that people wait for, and return what does so again."""

    def take() -> None:
        take_all(stack)
        until(lambda: not _count_open_slots(stack), pause=LOOK)

    take()
    return take


def _forget_limits(stack: Stack) -> None:
    """Let each person be as good as the first of the hour: all of them come from one network address."""
    with redis.Redis.from_url(stack.environment["REDIS_URL"]) as server:
        for key in server.scan_iter("api:throttle*"):
            server.delete(key)


def _count_open_slots(stack: Stack) -> int:
    with Session(sa.create_engine(stack.environment["DATABASE_URL"])) as session:
        open_now = sa.select(sa.func.count()).where(SlotRow.desk_id == DESK, SlotRow.gone_at.is_(None))
        return session.scalar(open_now) or 0


@each(
    FRENCH_WIDE,
    ARABIC_NARROW,
    FRENCH_NARROW_BARE,
    ARABIC_WIDE_BARE,
    FRENCH_KEYBOARD,
)
def test_a_visitor_buys_and_finds_an_appointment(
    stack: Stack, make_person: MakePerson, closed_desk: Callable[[], None], seat: Seat
) -> None:
    person = make_person(seat)
    buy_from_the_first_page(person)
    alerts.open_first_alert(person, TITLE)
    alerts.wait_watched(person)
    alerts.wait_for_slot(person, lambda: open_slot(stack))
    alerts.wait_for_message(person)
    (mail,) = until(lambda: person.visitor.messages("email", slots=True), pause=LOOK)
    assert "Essonne" in mail["text"]
    alerts.read_slot_alert(person, TITLE)
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
    sign_in.confirm_address(person, _GO_ON)
    plan.arrive_at_order(person, "URGENCE 7J")
    plan.order(person)
    plan.pay(person)
    plan.see_plan(person, "URGENCE 7J")


@dataclass(frozen=True)
class Road:
    """A way from the first page to Checkout; where nothing can be watched, to an alert that waits.

    `most`: presses, choices of lists and the mail's link too; the boxes of the order are the law's, and not counted.
    """

    seat: Seat
    by: Literal["link", "link elsewhere", "code"] = "link"  # how the address is confirmed
    wish: tuple[str, str] = ("91", "Naturalisation")
    is_watched: bool = True
    outage: str = ""  # a mode of the wish's site
    most: int = 8


ROADS = {
    "same browser": Road(FRENCH_WIDE),
    "other browser by link": Road(FRENCH_NARROW, "link elsewhere"),
    "other browser by code": Road(FRENCH_NARROW, "code", most=7),
    "no JavaScript": Road(FRENCH_NARROW_BARE, "link elsewhere"),
    "keyboard": Road(FRENCH_KEYBOARD, "code", most=7),
    "Arabic": Road(ARABIC_NARROW, "link elsewhere"),
    "Arabic without JavaScript": Road(ARABIC_WIDE_BARE, "code", most=7),
    "not watchable": Road(FRENCH_NARROW, "link elsewhere", _UNWATCHED, is_watched=False, most=7),
    "not watchable in Arabic": Road(ARABIC_WIDE_BARE, wish=_UNWATCHED, is_watched=False, most=7),
    "outage while ordering": Road(
        FRENCH_NARROW, "code", ("93", "Titre de séjour"), outage="overload", most=7
    ),
}


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
def test_a_road_takes_few_presses_and_no_field_is_typed_twice(
    stack: Stack, make_person: MakePerson, road: Road
) -> None:
    person = make_person(road.seat)
    home.open_home(person)
    home.choose_wish(person, *road.wish)
    if road.is_watched:
        home.choose_plan(person, "URGENCE 7J")
        sign_in.register(person)
    else:
        home.ask_to_be_told(person)
        sign_in.give_address(person)
    if road.outage:
        control(stack).mode(road.wish[0], road.outage)
    person = confirm(make_person, person, road)
    if not road.is_watched:
        person.arrive("Mes alertes")
        person.see("En attente")
    else:
        plan.arrive_at_order(person, "URGENCE 7J")
        if road.outage:
            plan.wait_until_it_says(person, "Ce site était surchargé à la dernière vérification.")
            control(stack).mode(road.wish[0], "normal")
        plan.order(person)
    assert person.hands.presses <= road.most
    assert [each for each, number in Counter(person.hands.typed).items() if number > 1] == []
    if road.is_watched:
        plan.pay(person)
        expect(person.link("Choisir un mot de passe")).to_be_visible(visible=road.by == "link elsewhere")


def confirm(make_person: MakePerson, person: Person, road: Road) -> Person:
    """Confirm the address; return who goes on: the same person, in another browser where the link was opened there."""
    if road.by == "code":
        sign_in.write_code(person)
        return person
    if road.by == "link elsewhere":
        before, person = person, make_person(road.seat)
        person.visitor, person.hands = before.visitor, before.hands
    sign_in.confirm_address(person, _GO_ON if road.is_watched else "Oui, confirmer mon adresse")
    return person


@each(FRENCH_WIDE, ARABIC_NARROW, FRENCH_NARROW_BARE)
def test_a_double_click_on_an_order_leads_to_one_payment(make_person: MakePerson, seat: Seat) -> None:
    person = make_person(seat)
    sign_in.join(person)
    plan.open_order(person, "URGENCE_24H")
    plan.tick_boxes(person)
    person.button("commande avec obligation de paiement").dblclick()
    person.page.wait_for_url("**/c/pay/**")
    plan.pay(person)
    plan.open_plans(person)
    expect(person.main.get_by_role("table").get_by_role("row")).to_have_count(2)


@each(FRENCH_NARROW_BARE, ARABIC_NARROW)
def test_a_wish_that_cannot_be_watched_waits_for_free_also_when_the_session_ended(
    make_person: MakePerson, seat: Seat
) -> None:
    person = make_person(seat)
    home.open_home(person)
    home.choose_wish(person, *_UNWATCHED)
    home.see_unwatched(person)
    home.ask_to_be_told(person)
    person.open("/register?prefecture=melun_77&procedure=VISA", "Créer un compte")
    sign_in.register(person)
    sign_in.confirm_address(person, "Confirmer et continuer")
    person.arrive("Nouvelle alerte")
    alerts.wait_for_watch(person)
    person.open("/dashboard", "Mes alertes")
    person.see("En attente")
    person.see("Vous n’avez pas d’offre en cours.")
    expect(person.main.get_by_role("listitem")).to_contain_text(["Seine-et-Marne (77)"])
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
