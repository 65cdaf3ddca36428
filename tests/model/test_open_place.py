"""From the check to the mail: a place that is open at an unknown hour is announced once, until it was closed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
import time_machine

from api.models.base import session
from api.models.notification import Notification, State
from api.models.slot import GoneReason, SlotRow
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from crawler.items import CheckItem
from crawler.reading import CoveredWindow, Place, Slot
from notifier import jobs
from tests.model.model import Limits
from tests.model.world import DESKS, FILE, World

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server")
DESK = DESKS[0]
OPEN = Slot(Place("1"), None)


class Watch:
    """A desk that is visited each minute; its calendar has 13 weeks, of which a visit reads one."""

    def __init__(self, frozen: time_machine.Traveller, sandbox: "Running") -> None:
        self.world, self.token = World(), 0
        self._frozen, self._sandbox = frozen, sandbox
        self.world.empty()
        self.subscribe(0)

    def subscribe(self, person: int) -> None:
        now = clock()
        self.world.grant(person, "URGENCE_24H", now - timedelta(minutes=1), now + timedelta(days=1))
        jobs.catch_up(str(self.world.wait(person, [Limits(DESK)])))

    def visit(self, *slots: Slot, covered: CoveredWindow | None = None) -> list[str]:
        """Visit the desk a minute later; return who has a mail then that was not there before."""
        before, self.token = len(self._sandbox.messages("email")), self.token + 1
        self._frozen.shift(timedelta(minutes=1))
        self.world.lapse(clock())
        windows = (covered,) if covered else ()
        check = CheckItem(
            desk_id=DESK, token=self.token, started_at=clock(), seen_at=clock(), milliseconds=100, reason="test",
            outcome=Outcome.SLOTS if slots else Outcome.NO_SLOTS, slots=slots, covered=windows, requests=1,
            error=None, retry_after=None, booking_url="http://127.77.0.91:8800/booking/create/1",
            process="test:1", places=("1",),
        )  # fmt: skip
        found = self.world.check([(check, clock())])
        for each in found:
            jobs.match(str(each))
        jobs.rearm(DESK)
        with session() as rows:
            waiting = rows.scalars(sa.select(Notification.id).where(Notification.state == State.PENDING))
            jobs.deliver(*map(str, waiting))
        return [each.to for each in self._sandbox.messages("email")[before:]]

    def read_week(self, number: int, *hours: Slot) -> list[str]:
        """Visit the desk, whose page says that it is open, and read the hours of a week."""
        first = clock().date() + timedelta(weeks=number)
        return self.visit(*(hours or (OPEN,)), covered=CoveredWindow("1", first, first + timedelta(days=6)))


@pytest.fixture
def hours(
    sandbox: "Running", settings_env: Callable[..., None], frozen: time_machine.Traveller, tmp_path: Path
) -> Watch:
    """Give a desk whose place was announced as open, and whose hours were seen then."""
    (tmp_path / "evry_91.yaml").write_text(FILE)
    settings_env(PREFECTURES_DIR=tmp_path)
    made = Watch(frozen, sandbox)
    assert made.read_week(0) == ["0@example.org"]
    assert made.read_week(1, Slot(Place("1"), clock() + timedelta(days=9))) == []
    return made


@pytest.fixture
def watch(hours: Watch) -> Watch:
    """Give that desk when its hours have lapsed."""
    made = hours
    assert [made.read_week(number) for number in range(2, 13)] == [[]] * 11
    with session() as rows:
        gone = set(rows.scalars(sa.select(SlotRow.gone_reason).where(SlotRow.moment != "open")))
    assert gone == {GoneReason.LAPSED}
    return made


@pytest.mark.rule("3.4")
def test_a_place_is_announced_again_where_it_closed_or_was_not_visited_and_not_while_its_hours_lapse(
    watch: Watch, frozen: time_machine.Traveller
) -> None:
    assert [watch.read_week(number) for number in range(13) if number != 1] == [[]] * 12
    assert watch.visit(covered=CoveredWindow("1")) == []
    with session() as rows:
        assert rows.scalars(sa.select(SlotRow).where(SlotRow.gone_at.is_(None))).all() == []
    frozen.shift(timedelta(minutes=30))
    assert watch.read_week(0) == ["0@example.org"]
    frozen.shift(timedelta(minutes=15))  # as long as a slot lives unseen
    watch.world.lapse(clock())
    frozen.shift(timedelta(minutes=15))
    assert watch.read_week(0) == ["0@example.org"]


@pytest.mark.rule("3.4")
def test_a_place_is_announced_once_to_a_user_who_comes_after_its_hours_lapsed(
    watch: Watch, sandbox: "Running"
) -> None:
    watch.subscribe(1)
    assert [each for number in range(2, 13) for each in watch.read_week(number)] in ([], ["1@example.org"])
    assert [each.to for each in sandbox.messages("email")] == ["0@example.org", "1@example.org"]


@pytest.mark.rule("3.4")
def test_a_place_is_announced_once_to_a_user_who_came_while_its_hours_were_open(
    hours: Watch, sandbox: "Running"
) -> None:
    hours.subscribe(1)
    assert [hours.read_week(number) for number in range(2, 13)] == [[]] * 11
    with session() as rows:
        (place,) = rows.scalars(sa.select(SlotRow).where(SlotRow.gone_at.is_(None)))
    assert place.moment == "open"
    assert [each.to for each in sandbox.messages("email")] == ["0@example.org", "1@example.org"]


@pytest.mark.rule("3.4")
def test_a_user_who_was_told_of_hours_is_told_when_their_place_opens_anew(
    hours: Watch, frozen: time_machine.Traveller
) -> None:
    hours.subscribe(1)
    assert hours.visit(covered=CoveredWindow("1")) == []
    frozen.shift(timedelta(minutes=30))
    assert sorted(hours.read_week(0)) == ["0@example.org", "1@example.org"]
