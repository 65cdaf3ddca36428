"""From the check to the message: a slot that is back within five minutes is the same slot, told once to each."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.background.jobs import mark_gone_slots
from api.models.base import session
from api.models.database_clock import database_clock
from api.models.notice import Notice
from api.models.notification import Notification, State
from api.models.slot import Detection, SlotRow
from api.models.user import Channel
from configs.ground.clock import clock
from configs.world.outcome import Outcome
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
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server")
DESK = DESKS[0]
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
        self._frozen.shift(after)
        self.token += 1
        check = CheckItem(
            desk_id=DESK, token=self.token, started_at=clock(), seen_at=clock(), milliseconds=100, reason="test",
            outcome=Outcome.SLOTS if is_open else Outcome.NO_SLOTS, slots=(self._slot,) if is_open else (),
            covered=(CoveredWindow(asks),), requests=1, error=None, retry_after=None,
            booking_url="http://127.77.0.91:8800/booking/create/1", process="test:1",
            places=("1", "2") if asks else ("1",),
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
    assert [row.reason for row in rows(Notification)] == ["slots gone"] * len(rows(Notification))
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
    assert (row.state, row.unknown_attempts) == (State.EXPIRED, 1)
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
