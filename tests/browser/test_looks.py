"""What one person sees behind a captcha reaches the others: on a phone, without scripts, in a chat; one switch ends it."""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final

import pytest
import requests
from playwright.sync_api import Page, expect
from sqlalchemy.dialects.postgresql import insert

from api.models.base import session
from api.models.desk import HostState
from configs.ground.clock import clock
from deploy.local.stack import Stack
from notifier.telegram_bot import register_webhook
from tests.browser.navigators import home, sign_in
from tests.browser.navigators.person import Finger, Hands, Person, Words
from tests.browser.site import MakeContext
from tests.browser.watch import Watch
from tests.sample_desk_files import only
from tests.waiting import PATIENCE, until
from tests.whole.conftest import STACK_JOURNEY, quiet_stack
from tests.whole.visitor import LOOK, Visitor, age_account

pytestmark = STACK_JOURNEY
DESK = "nanterre_92/titre-sejour-premiere-demande"
PAGE = f"/guichets/{DESK}"
CHAT: Final = 100000055
_TOLD_WITHIN = 2.0  # seconds after the answer to the press
_THANKS = "Merci. Ceux qui attendent ici sont prévenus dès qu’une autre personne les voit aussi."
_OFFER = "Ici, ceux qui attendent se disent ce qu’ils voient."


@pytest.fixture
def stack() -> Iterator[Stack]:
    with quiet_stack(lambda text: only("rdvpref", text), PROXY_HOPS="1") as made:
        register_webhook()
        yield made


class Room:
    """People of one stack, each in a browser and a network of their own, with accounts that are days old."""

    def __init__(self, stack: Stack, make_context: MakeContext) -> None:
        expect.set_options(timeout=PATIENCE * 1000)
        self._stack, self._make_context = stack, make_context
        self._front = f"http://127.0.0.1:{stack.ports.api}"
        self._people = 0

    def seat(self, name: str, language: str, *, phone: bool = False, javascript: bool = True) -> Person:
        """Seat somebody who finds the desk by a search, and is to be told of it."""
        self._people += 1
        context = self._make_context(
            self._front, language=language, width=390 if phone else 1280, height=844 if phone else 900,
            javascript=javascript, touch=phone, address=f"203.0.{self._people}.7",
        )  # fmt: skip
        visitor = Visitor(self._stack, f"{name}@example.org")
        hands = Finger() if phone else Hands()
        person = Person(context.new_page(), Words(language), visitor, self._front, hands, javascript)
        sign_in.join(person)
        age_account(self._stack, visitor.email, 1 + self._people)
        visitor.sign_in()
        visitor.ask("POST", "/alerts", {"deskIds": [DESK]}, expect=201)
        home.open_home(person)
        home.choose_wish(person, "92", "Titre de séjour")
        person.see(_OFFER)
        person.follow("Regarder, et dire ce que je vois")
        person.see("Vous regardez ? Dites ce que vous voyez")
        return person


def look(person: Person) -> datetime:
    """Open the official page from the desk's, and say that slots are there; return when that was answered."""
    with person.page.context.expect_page() as opened:
        person.follow("J’ouvre la page")
    expect(opened.value).to_have_url(re.compile("/rdvpref/reservation/demarche/"))
    person.press("Des places")
    person.see_notice(_THANKS)
    return clock()


def read_told(person: Person) -> list[dict[str, Any]]:
    return person.visitor.messages("email", slots=True)


def see_alert(person: Person, text: str) -> None:
    """See on the page of the alert who saw it."""
    person.open("/dashboard", "Mes alertes")
    person.see(text)


def test_what_a_person_sees_reaches_those_who_wait_until_one_switch_ends_it(
    stack: Stack, make_context: MakeContext, watch: Watch
) -> None:
    room = Room(stack, make_context)
    official = read_desk_address(stack)
    watch.trust(official)
    watch.trust(stack.environment["LIVE_URL"])
    anna, bilal = room.seat("anna", "fr", phone=True), room.seat("bilal", "ar")
    carol, dora = room.seat("carol", "en"), room.seat("dora", "fr", javascript=False)
    bilal.visitor.ask("PATCH", "/users/notifications", {"toldInDoubt": True})

    answered = look(anna)
    (told,) = until(lambda: read_told(bilal))
    seconds = (datetime.fromisoformat(told["received_at"]) - answered).total_seconds()
    print(f"told in doubt {seconds:.2f} s after the answer to the press")  # noqa: T201 -- the figure
    assert seconds < _TOLD_WITHIN
    see_alert(bilal, "Une personne dit avoir vu des places libres")
    assert [read_told(each) for each in (anna, carol, dora)] == [[], [], []]
    anna.open("/regards", "Ce que je vois, ce que d’autres voient")
    alone = anna.words.match_part("Une personne dit avoir vu des places libres")
    expect(anna.main).not_to_contain_text(alone)  # her own look is nothing that others saw

    look(dora)
    until(partial(read_told, carol))
    assert [read_told(each) for each in (anna, dora)] == [[], []]  # they saw it themselves
    see_alert(carol, "Des personnes ont vu des places libres")
    see_alert(bilal, "Des personnes ont vu des places libres")
    assert len(read_told(bilal)) == 1

    link = re.search(r"http://\S+/l/look\.\S+", read_told(carol)[0]["text"])
    assert link
    say_in_chat(dora, official)
    end_by_switch([anna, dora], carol.page, link[0], official)


def read_desk_address(stack: Stack) -> str:
    """Return the official page's address."""
    url: str = Visitor(stack, "").ask("GET", "/prefectures/nanterre_92")["desks"][0]["bookingUrl"]
    return url


def say_in_chat(person: Person, official: str) -> None:
    """Say /vu: the way to the page comes first, then what may be seen there."""
    person.visitor.link_telegram(CHAT)
    person.visitor.say(CHAT, "/vu")
    offered = until(lambda: find_offer(person), pause=LOOK)
    first = offered["buttons"][0]
    assert first["text"] == "J’ouvre la page"
    led = requests.get(first["url"], allow_redirects=False, timeout=PATIENCE)  # our link notes the opening
    assert (led.status_code, led.headers["Location"]) == (303, official)
    person.visitor.press(offered, "Des créneaux")
    until(lambda: any("Merci, c’est noté." in each["text"] for each in read_chat(person)), pause=LOOK)


def read_chat(person: Person) -> list[dict[str, Any]]:
    return person.visitor.messages("telegram", str(CHAT))


def find_offer(person: Person) -> dict[str, Any] | None:
    return next((each for each in read_chat(person) if len(each["buttons"]) == 4), None)


def end_by_switch(people: list[Person], reader: Page, link: str, official: str) -> None:
    """Stop the host: the desk's page, its redirect, the link of a message and the chat offer nothing more."""
    stopped = {"stopped_at": clock(), "stop_reason": "asked to"}
    made = insert(HostState).values(host=official.split("/")[2], **stopped)
    with session() as s:
        s.execute(made.on_conflict_do_update(index_elements=["host"], set_=stopped))
    for each in people:
        each.open(PAGE)
        each.see("Pour le moment, nous ne demandons à personne de regarder cette page.")
        expect(each.link("J’ouvre la page")).to_have_count(0)
        each.open(f"{PAGE}/ouvrir")
        expect(each.page).to_have_url(re.compile(re.escape(PAGE)))
    reader.goto(link)
    expect(reader.get_by_role("alert")).to_be_visible()
    expect(reader.get_by_role("button")).to_have_count(0)
    before = len(read_chat(people[1]))
    people[1].visitor.say(CHAT, "/vu")
    until(lambda: len(read_chat(people[1])) > before, pause=LOOK)
    assert not any(
        each["data"] for each in max(read_chat(people[1]), key=lambda one: one["number"])["buttons"]
    )
