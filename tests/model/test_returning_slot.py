"""From the check to the message: a slot that is back within five minutes is the same slot, told once to each.

And a place that is open at an unknown hour is announced once, until it was closed.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.jobs.schedule import mark_gone_slots
from api.models.base import database_clock, session
from api.models.notification import HeldFor, Notice, Notification, State
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import Channel
from configs.ground.clock import clock
from configs.world.desk import Outcome
from crawler.items import CheckItem
from crawler.reading import CoveredWindow, Place, Slot
from notifier import jobs
from notifier.delivery import delivery
from notifier.matching.match_service import match_detection
from notifier.sweep import undelivered
from tests.factories import add_contact, rows
from tests.model.model import Limits
from tests.model.world import DESKS, FILE, World

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server")
DESK, OPEN = DESKS[0], Slot(Place("1"), None)
MINUTE = timedelta(minutes=1)


class Page:
    """A booking page with one slot, its desk, and who waits for it."""

    def __init__(self, frozen: time_machine.Traveller, sandbox: "Running") -> None:
        self.world, self.token = World(), 0
        self._frozen, self._sandbox = frozen, sandbox
        self._slot = Slot(Place("1"), clock() + timedelta(days=9))
        self.world.empty()

    def subscribe(self, person: int) -> UUID:
        """Make an alert, without a nudge yet."""
        now = clock()
        self.world.grant(person, "URGENCE_7J", now - timedelta(days=1), now + timedelta(days=1))
        return self.world.wait(person, [Limits(DESK)])

    def visit(self, *, is_open: bool, after: timedelta = MINUTE, asks: str | None = None) -> list[UUID]:
        """Visit the page, or one of its two places, so much later; return detections without messages yet."""
        slots = (self._slot,) if is_open else ()
        return self._read(slots, (CoveredWindow(asks),), after, ("1", "2") if asks else ("1",))

    def visit_place(self, *slots: Slot, covered: CoveredWindow | None = None) -> list[str]:
        """Visit the page a minute later, let lapse what it did not show for long; return who gets a mail."""
        seen = self._read(slots, (covered,) if covered else (), MINUTE, ("1",), lapse=True)
        return self.tell(*seen) + self.round()

    def read_week(self, number: int, *hours: Slot) -> list[str]:
        """Visit the page, which says that its place is open, and read the hours of one of its 13 weeks."""
        first = clock().date() + timedelta(weeks=number)
        week = CoveredWindow("1", first, first + timedelta(days=6))
        return self.visit_place(*(hours or (OPEN,)), covered=week)

    def _read(
        self, slots: tuple[Slot, ...], covered: tuple[CoveredWindow, ...], after: timedelta,
        places: tuple[str, ...], *, lapse: bool = False,
    ) -> list[UUID]:  # fmt: skip
        self._frozen.shift(after)
        self.token += 1
        if lapse:
            self.world.lapse(clock())
        check = CheckItem(
            desk_id=DESK, token=self.token, started_at=clock(), seen_at=clock(), milliseconds=100, reason="test",
            outcome=Outcome.SLOTS if slots else Outcome.NO_SLOTS, slots=slots, covered=covered, requests=1,
            error=None, retry_after=None, booking_url="http://127.77.0.91:8800/booking/create/1",
            process="test:1", places=places,
        )  # fmt: skip
        return self.world.check([(check, clock())])

    def open(self, after: timedelta = MINUTE) -> list[str]:
        """Visit the page with its slot, have workers do what follows; return who gets a mail."""
        return self.tell(*self.visit(is_open=True, after=after))

    def tell(self, *detections: UUID) -> list[str]:
        before = len(self._sandbox.messages("email"))
        for each in detections:
            jobs.match(str(each))
        jobs.deliver(*map(str, self.waiting()))
        return sorted(each.to for each in self._sandbox.messages("email")[before:])

    def write(self) -> list[UUID]:
        """Visit the page with its slot, and write of it; nothing leaves yet."""
        (seen,) = self.visit(is_open=True)
        with session() as s:
            return match_detection(s, seen, clock())[0]

    def round(self) -> list[str]:
        before = len(self._sandbox.messages("email"))
        jobs.rearm(DESK)
        jobs.deliver(*map(str, self.waiting()))
        return sorted(each.to for each in self._sandbox.messages("email")[before:])

    def waiting(self) -> list[UUID]:
        return [row.id for row in rows(Notification, Notification.state == State.PENDING)]

    def slots(self) -> list[SlotRow]:
        return rows(SlotRow)


FIRST, SECOND = "0@example.org", "1@example.org"


@pytest.fixture
def page(
    sandbox: "Running", settings_env: Callable[..., None], frozen: time_machine.Traveller, tmp_path: Path
) -> Page:
    (tmp_path / "evry_91.yaml").write_text(FILE)
    settings_env(PREFECTURES_DIR=tmp_path)
    made = Page(frozen, sandbox)
    made.subscribe(0)
    return made


@pytest.mark.rule("3.4")
def test_a_slot_that_is_back_within_five_minutes_is_the_same_and_told_to_nobody_twice(page: Page) -> None:
    assert page.open() == [FIRST]
    for _ in range(3):
        page.visit(is_open=False)
        assert page.open(4 * MINUTE) == []
        assert page.round() == []
    (slot,) = page.slots()
    assert (slot.gone_at, slot.gone_reason, slot.seen_at) == (None, None, clock())
    assert slot.opened_at < clock() - 14 * MINUTE


@pytest.mark.rule("3.4")
def test_a_slot_that_is_back_after_five_minutes_is_another_and_told_at_once(page: Page) -> None:
    assert page.open() == [FIRST]
    page.visit(is_open=False)
    assert page.open(5 * MINUTE) == [FIRST]
    assert [each.gone_at is None for each in page.slots()] == [False, True]


@pytest.mark.rule("3.4")
def test_an_alert_that_is_made_while_a_slot_is_gone_for_a_moment_is_told_when_it_is_back(page: Page) -> None:
    assert page.open() == [FIRST]
    page.visit(is_open=False)
    jobs.catch_up(str(page.subscribe(1)))
    assert page.waiting() == []
    seen = page.visit(is_open=True, after=timedelta(seconds=20))
    assert page.tell(*seen) == [SECOND]
    with session() as s:
        mail = sa.select(Notification).where(Notification.channel == Channel.EMAIL)
        (row,) = s.scalars(mail.where(Notification.seen_at == clock()))
        detection = s.get_one(Detection, seen[0])
    assert (row.accepted_at, row.committed_at) == (clock(), detection.committed_at)


@pytest.mark.rule("3.4")
def test_who_was_to_be_told_while_a_slot_was_gone_is_told_when_it_is_back(page: Page) -> None:
    """It flickers before it is sent."""
    page.write()
    page.visit(is_open=False)
    assert page.tell() == []
    assert {row.held_for for row in rows(Notification)} == {HeldFor.SLOTS}
    assert page.open(2 * MINUTE) == [FIRST]
    assert page.round() == []
    assert len(rows(Notice)) == 1


@pytest.mark.rule("3.4")
def test_who_was_to_be_told_by_a_worker_that_died_is_told_when_the_slot_is_back(page: Page) -> None:
    """Its lease ends while the slot is gone: whether anything left is unknown."""
    delivery.claim(page.write())
    page.visit(is_open=False)
    for each in undelivered(database_clock()):
        jobs.deliver(str(each.id))
    (row,) = rows(Notification, Notification.channel == Channel.EMAIL)
    assert (row.state, row.unknown_attempts) == (State.PENDING, 1)
    assert page.open() == [FIRST]
    assert page.round() == []


@pytest.mark.rule("3.4")
def test_a_message_that_waits_while_a_slot_is_gone_for_a_moment_is_sent_once(page: Page) -> None:
    page.write()
    page.visit(is_open=False)
    assert page.open(2 * MINUTE) == [FIRST]
    assert page.round() == []


@pytest.mark.rule("3.4")
def test_a_slot_that_flickers_between_claim_and_send_is_told_once(page: Page) -> None:
    claimed = delivery.claim(page.write())
    page.visit(is_open=False, after=timedelta(seconds=5))
    seen = page.visit(is_open=True, after=timedelta(seconds=5))
    assert page.tell(*seen) == []
    delivery.hand_over(claimed)
    assert page.tell() == page.round() == []
    assert [row.state for row in rows(Notification, Notification.channel == Channel.EMAIL)] == [State.SENT]


@pytest.mark.rule("4.12")
def test_a_slot_is_called_gone_after_five_minutes_and_what_opens_then_is_told(
    page: Page, sandbox: "Running"
) -> None:
    person = page.world.people[0]
    add_contact(person, Channel.TELEGRAM)
    assert page.open() == [FIRST]
    page.visit(is_open=False)
    for _ in range(4):
        page.visit(is_open=False)
        mark_gone_slots()
    page.tell()
    assert [each.edited_at for each in sandbox.messages("telegram")] == [None]
    assert [each.gone_at for each in rows(Notice)] == [None]
    page.visit(is_open=False)
    mark_gone_slots()
    page.tell()
    assert ["plus proposé" in each.text for each in sandbox.messages("telegram")] == [True]
    assert page.open(timedelta()) == [FIRST]
    assert len(page.slots()) == len(rows(Notice)) == len(sandbox.messages("telegram")) == 2
    assert [each.gone_at is None for each in rows(Notice)] == [False, True]


@pytest.mark.rule("4.12")
def test_a_slot_is_not_called_gone_while_other_places_alone_were_asked_again(page: Page) -> None:
    page.open()
    page.visit(is_open=False)
    for _ in range(6):
        page.visit(is_open=False, asks="2")
        mark_gone_slots()
    assert [each.gone_at for each in rows(Notice)] == [None]
    page.visit(is_open=False, asks="1")
    mark_gone_slots()
    assert [each.gone_at is None for each in rows(Notice)] == [False]


# A place that is open at an unknown hour.


@pytest.fixture
def hours(page: Page) -> Page:
    """Give a desk whose place was announced as open, and whose hours were seen then."""
    assert page.read_week(0) == [FIRST]
    assert page.read_week(1, Slot(Place("1"), clock() + timedelta(days=9))) == []
    return page


@pytest.fixture
def lapsed(hours: Page) -> Page:
    """Give that desk when its hours have lapsed."""
    assert [hours.read_week(number) for number in range(2, 13)] == [[]] * 11
    assert {each.gone_reason for each in hours.slots() if each.moment != "open"} == {GoneReason.LAPSED}
    return hours


@pytest.mark.rule("3.4")
def test_a_place_is_announced_again_where_it_closed_or_was_not_visited_and_not_while_its_hours_lapse(
    lapsed: Page, frozen: time_machine.Traveller
) -> None:
    assert [lapsed.read_week(number) for number in range(13) if number != 1] == [[]] * 12
    assert lapsed.visit_place(covered=CoveredWindow("1")) == []
    assert [each for each in lapsed.slots() if each.gone_at is None] == []
    frozen.shift(timedelta(minutes=30))
    assert lapsed.read_week(0) == [FIRST]
    frozen.shift(timedelta(minutes=15))  # as long as a slot lives unseen
    lapsed.world.lapse(clock())
    frozen.shift(timedelta(minutes=15))
    assert lapsed.read_week(0) == [FIRST]


@pytest.mark.rule("3.4")
def test_a_place_is_announced_once_to_a_user_who_comes_after_its_hours_lapsed(
    lapsed: Page, sandbox: "Running"
) -> None:
    jobs.catch_up(str(lapsed.subscribe(1)))
    assert [each for number in range(2, 13) for each in lapsed.read_week(number)] in ([], [SECOND])
    assert [each.to for each in sandbox.messages("email")] == [FIRST, SECOND]


@pytest.mark.rule("3.4")
def test_a_place_is_announced_once_to_a_user_who_came_while_its_hours_were_open(
    hours: Page, sandbox: "Running"
) -> None:
    jobs.catch_up(str(hours.subscribe(1)))
    assert [hours.read_week(number) for number in range(2, 13)] == [[]] * 11
    assert [each.moment for each in hours.slots() if each.gone_at is None] == ["open"]
    assert [each.to for each in sandbox.messages("email")] == [FIRST, SECOND]


@pytest.mark.rule("3.4")
def test_a_user_who_was_told_of_hours_is_told_when_their_place_opens_anew(
    hours: Page, frozen: time_machine.Traveller
) -> None:
    jobs.catch_up(str(hours.subscribe(1)))
    assert hours.visit_place(covered=CoveredWindow("1")) == []
    frozen.shift(timedelta(minutes=30))
    assert sorted(hours.read_week(0)) == [FIRST, SECOND]
