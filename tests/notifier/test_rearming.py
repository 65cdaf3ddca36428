"""Rounds of re-arming: what they read, what they lock, and how a crowd is notified."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.models.alert import Alert
from api.models.base import engine, session
from api.models.notification import Match, State
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from notifier.delivery.delivery import deliver
from notifier.jobs import rearm, tell_open
from notifier.matching import match_service
from notifier.matching.match_service import find_untold
from tests.notifier.world import (
    DESK,
    MORNING,
    alert,
    all_of,
    change,
    confirm,
    deliver_queued,
    detection,
    gone,
    in_one_transaction,
    matched,
    notifications,
    person,
    slots,
    told,
    told_pairs,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server")
Queued = Callable[[str], list[tuple[str, list[Any]]]]
MANY_SLOTS = 200


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that reach the database."""
    said: list[str] = []

    def note(*about: Any) -> None:
        said.append(about[2])

    sa.event.listen(engine(), "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(engine(), "before_cursor_execute", note)


def hours(number: int) -> list[int]:
    """Open so many slots, an hour apart."""
    return slots([MORNING + timedelta(hours=each) for each in range(number)])


def crowd(number: int) -> list[UUID]:
    return [alert(person(addresses={Channel.EMAIL: f"p{each}@example.org"})) for each in range(number)]


def test_a_round_that_has_nobody_to_tell_locks_nothing_and_writes_nothing() -> None:
    crowd(3)
    told(matched(detection(hours(3))))
    with statements() as said:
        rearm(DESK)
    assert not [each for each in said if "lock" in each or not each.startswith("SELECT")], said


@pytest.mark.rule("3.4")
def test_a_round_waits_for_nobody_who_holds_the_desk() -> None:
    crowd(1)
    told(matched(detection(hours(2))))
    with engine().connect() as other, other.begin():
        other.execute(sa.text("SELECT pg_advisory_xact_lock(0x524456, hashtext(:desk))"), {"desk": DESK})
        with session() as s:
            s.execute(sa.text("SET LOCAL lock_timeout = '1ms'"))
            assert match_service.match(s, DESK, clock()) == []


def test_who_cannot_be_reached_is_no_reason_to_lock_and_is_told_when_that_is_over(
    frozen: time_machine.Traveller,
) -> None:
    who = person(enabled=False)
    alert(who)
    opened = hours(3)
    matched(detection(opened))
    decided = [row.decided_at for row in all_of(Match)]
    frozen.shift(30)
    with statements() as said:
        rearm(DESK)
    assert not [each for each in said if "lock" in each], said
    assert [row.decided_at for row in all_of(Match)] == decided
    change(Contact, who.contacts[Channel.EMAIL], enabled=True)
    assert len(in_one_transaction(match_service.match, DESK, clock())) == 1


def test_what_was_told_between_the_look_and_the_lock_is_not_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = alert(person())
    detection(hours(2))

    def look(*about: Any) -> Any:
        found = find_untold(*about)
        monkeypatch.undo()
        told(in_one_transaction(match_service.match, DESK, clock(), [waiting]))
        return found

    monkeypatch.setattr("notifier.matching.match_service.find_untold", look)
    assert in_one_transaction(match_service.match, DESK, clock()) == []
    assert len(notifications()) == 1


def test_a_crowd_that_a_round_finds_is_told_by_parts(
    whole: "Running", queued: Queued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_service, "_PEOPLE", 2)
    detection(hours(3))
    crowd(5)
    rearm(DESK)
    deliver_queued()
    assert len(whole.messages("email")) == 2
    rearm(DESK)  # the next round asks for the parts that wait once more: that does no harm
    asked = queued("many")
    assert [name for name, _ in asked] == ["notifier.jobs.tell_open"] * len(asked)
    for _, about in asked:
        tell_open(*about)
    deliver_queued()
    assert sorted(mail.to for mail in whole.messages("email")) == [f"p{n}@example.org" for n in range(5)]
    assert len(notifications()) == 5


def test_a_message_of_many_slots_leaves_until_the_last_of_them_is_gone_and_counts_what_is_open(
    whole: "Running",
) -> None:
    alert(person(addresses={Channel.EMAIL: "one@example.org"}))
    alert(person(addresses={Channel.EMAIL: "two@example.org"}), {"desk_id": DESK, "weekdays": [4]})
    opened = hours(MANY_SLOTS)
    first, second = matched(detection(opened))
    gone(opened[:-3])
    confirm(opened[-3:])
    deliver([first])
    (mail,) = whole.messages("email")
    assert "3 créneaux" in mail.text
    gone(opened[-3:])
    deliver([second])
    assert {row.state for row in notifications()} == {State.SENT, State.EXPIRED}


@pytest.mark.rule("3.4")
def test_limits_that_are_narrowed_or_widened_tell_of_what_they_kept_back_only() -> None:
    waiting = alert(person(), {"desk_id": DESK, "weekdays": [4]})
    opened = hours(MANY_SLOTS)
    told(matched(detection(opened)))
    kept = {slot for _, slot in told_pairs()}
    assert 0 < len(kept) < MANY_SLOTS
    for version, weekdays in ((2, [4, 5]), (3, [5]), (4, None)):
        with session() as s:
            changed = s.get_one(Alert, waiting)
            changed.targets[0].weekdays = weekdays
            changed.limits_version = version
        before = len(told_pairs())
        told(made := in_one_transaction(match_service.match, DESK, clock(), [waiting]))
        assert (len(made), len(told_pairs()) > before) == ((0, False) if version == 3 else (1, True))
    assert {slot for _, slot in told_pairs()} == set(opened)
    sizes = [each.slots for each in all_of(Match)]
    assert len(sizes) == len(set(sizes))
