"""An hour without a network, in a browser and through a whole stack whose clock is moved."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import requests
from playwright.sync_api import Browser, Locator, expect, sync_playwright

from configs.programs.browser_binary import arguments, browser_path, sandboxed
from deploy.local.seed import seed
from deploy.local.stack import Stack
from tests.browser.navigators import alerts, sign_in
from tests.browser.navigators.person import Person, Words
from tests.lab.bench.latency import CODE, FORM, hasty
from tests.sample_desk_files import only
from tests.waiting import PATIENCE, until
from tests.whole.conftest import STACK_JOURNEY, quiet_stack
from tests.whole.visitor import LOOK, Visitor, grant_plan, run_job

ZONE = ZoneInfo("Europe/Paris")


class MovedClock:
    """The clock of all programs of a stack that have this file as CLOCK_OFFSET_FILE, and what they hold for the database's.

    The machine's stays as it is.
    """

    def __init__(self, file: Path, begins: time) -> None:
        """Begin with the next such hour in Paris."""
        self.file = file
        self._offset = timedelta(0)
        today = datetime.now(ZONE).date()
        choices = (datetime.combine(today + timedelta(days=days), begins, ZONE) for days in range(2))
        self.move_to(next(each for each in choices if each > datetime.now(UTC)))

    def read(self) -> datetime:
        """Return the present instant of the stack."""
        return datetime.now(UTC) + self._offset

    def move_to(self, moment: datetime) -> None:
        """Let it be this instant, which must not be over."""
        ahead = moment - self.read()
        assert ahead >= timedelta(0), f"{moment} was {-ahead} ago"
        self.move(ahead)

    def move(self, ahead: timedelta) -> None:
        """Let so much time pass."""
        self._offset += ahead
        part = self.file.with_suffix(".part")
        part.write_text(f"{self._offset.total_seconds()} {self._offset.total_seconds()}", "utf-8")
        part.replace(self.file)  # a program never reads half of it


pytestmark = STACK_JOURNEY
WISH = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"]}
CHAT = 100000077
WAITING = {"pending", "sending"}  # states of a message
MORNING = time(7, 20)
# Slots without a check for LAPSE_SECONDS, ten minutes, lapse.
STEP = timedelta(minutes=9)
_SATURDAY = 5
_SEEN_AT = """() => {
  window.seenAt = {};
  const note = () => document.querySelectorAll("[data-part=notices] h2").forEach((each) => {
    window.seenAt[each.id.slice(2)] ??= Date.now();
  });
  note();
  new MutationObserver(note).observe(document.body, { childList: true, subtree: true });
}"""


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> MovedClock:
    return MovedClock(tmp_path_factory.mktemp("clock") / "offset", MORNING)


@pytest.fixture(scope="module")
def stack(clock: MovedClock) -> Iterator[Stack]:
    def keep(text: str) -> str:
        return only("ezbooking", hasty(text))

    with quiet_stack(keep, CLOCK_OFFSET_FILE=str(clock.file)) as made:
        seed(made)
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=browser_path(), args=arguments(), chromium_sandbox=sandboxed()
        )
        expect.set_options(timeout=PATIENCE * 1000)
        yield started
        started.close()


@pytest.fixture
def person(stack: Stack, chromium: Browser) -> Iterator[Person]:
    """Seat a new user with a plan in front of a browser."""
    context = chromium.new_context(
        locale="fr-FR", timezone_id="Europe/Paris", viewport={"width": 1280, "height": 900}
    )
    context.set_default_timeout(PATIENCE * 1000)
    visitor = Visitor(stack, f"{uuid4().hex}@example.org")
    made = Person(context.new_page(), Words("fr"), visitor, f"http://127.0.0.1:{stack.ports.api}")
    sign_in.join(made)
    visitor.sign_in()
    grant_plan(stack, visitor.email)
    yield made
    context.close()


def wait_for_desk(person: Person, clock: MovedClock) -> str:
    """Return a new alert whose desk was seen since."""
    alert: str = person.visitor.ask("POST", "/alerts", WISH, expect=201)["id"]
    wait_proven(person, alert, clock)
    return alert


def wait_proven(person: Person, alert: str, clock: MovedClock) -> None:
    """Wait for a sure answer to a check that began after this moment."""
    begun = clock.read()

    def proven() -> bool:
        at = person.visitor.ask("GET", f"/alerts/{alert}")["lastProvenAt"]
        return bool(at) and datetime.fromisoformat(at) > begun

    until(proven, pause=LOOK)


def make_times(clock: MovedClock, hour: int, count: int) -> list[datetime]:
    """Return times of slots on the next weekdays in an hour of the day, no minute twice."""
    first = datetime.combine(clock.read().astimezone(ZONE).date(), time(hour), ZONE)
    days = (first + timedelta(days=number) for number in range(2, 28))
    weekdays = [day for day in days if day.weekday() < _SATURDAY]
    return [day + timedelta(minutes=5 * number + 2) for number, day in enumerate(weekdays[:count])]


def set_slots(stack: Stack, act: str, *at: datetime) -> None:
    """`open` or `take` slots of the desk that people wait for; `take` without times: all."""
    body: dict[str, Any] = {"form": FORM} | ({"at": [each.isoformat() for each in at]} if at else {})
    address = f"http://127.0.0.1:{stack.ports.inbox}/api/sites/{CODE}/{act}"
    assert requests.post(address, json=body, timeout=60).status_code == 200


def wait_sent(person: Person) -> None:
    """Wait until no message is on its way: a lease runs out while the clock is moved, and its message comes again."""
    person.visitor.sign_in()

    def sent() -> bool:
        found = person.visitor.ask("GET", "/notifications")["items"]
        return not WAITING & {each["status"] for each in found}

    until(sent, pause=LOOK)


def test_an_open_page_shows_notices_within_a_second_and_misses_none_of_an_hour_offline(
    stack: Stack, clock: MovedClock, person: Person
) -> None:
    person.visitor.link_telegram(CHAT)
    alert, slots = wait_for_desk(person, clock), make_times(clock, 11, 10)
    with person.page.expect_response(lambda answer: urlsplit(answer.url).path == "/live/notices"):
        alerts.open_notices(person)
    person.page.evaluate(_SEEN_AT)
    notices = person.main.get_by_role("article")
    for number, each in enumerate(slots[:3], 1):
        set_slots(stack, "open", each)
        expect(notices).to_have_count(number)
    assert sorted(measure_delays(person))[1] < 1
    person.page.context.set_offline(True)
    for each in slots[3:]:
        clock.move(STEP)
        set_slots(stack, "open", each)
        wait_proven(person, alert, clock)
        wait_sent(person)
    until(lambda: person.visitor.ask("GET", "/notices")["unread"] == len(slots), pause=LOOK)
    expect(notices).to_have_count(3)
    person.page.context.set_offline(False)
    expect(notices).to_have_count(len(slots))
    see_slots_gone(stack, clock, person, alert, notices)


def measure_delays(person: Person) -> list[float]:
    """Return how long after its id was made each notice was shown, in seconds: both by the machine's clock."""
    seen: dict[str, int] = person.page.evaluate("() => window.seenAt")
    return [(at - (UUID(notice).int >> 80)) / 1000 for notice, at in seen.items()]


def see_slots_gone(stack: Stack, clock: MovedClock, person: Person, alert: str, notices: Locator) -> None:
    """Take all slots: their notices say so, and so do the messages in Telegram, which change."""
    before = person.visitor.messages("telegram", str(CHAT), slots=True)
    assert before
    set_slots(stack, "take")
    wait_proven(person, alert, clock)
    clock.move(STEP)
    wait_proven(person, alert, clock)  # the second conclusive check proves it
    run_job(stack, "mark_gone_slots")
    person.page.reload()
    expect(notices.filter(has_text="Plus disponible")).to_have_count(notices.count())
    until(
        lambda: all(each["edited_at"] for each in person.visitor.messages("telegram", str(CHAT), slots=True))
    )
    edited = person.visitor.messages("telegram", str(CHAT), slots=True)
    assert len(edited) == len(before), "a message was sent where one had to change"
    assert all("plus proposé" in each["text"] for each in edited)
    person.visitor.ask("DELETE", f"/alerts/{alert}", expect=204)
