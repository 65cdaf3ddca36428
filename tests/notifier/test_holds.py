"""While the alerts of a desk are held nothing of it leaves; then what is still open is sent to who has not got it."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
import time_machine

from api.health.message_overview import read_messages
from api.models.base import session
from api.models.desk import DeskState
from api.models.notification import MatchPart, Notification, State
from api.models.slot import Detection
from api.models.user import Channel, Grant
from configs.clock import clock
from notifier import match_service, sweep
from notifier.delivery.delivery import deliver
from notifier.jobs import catch_up, match, match_part, rearm
from tests.api.world import statements
from tests.notifier.world import (
    DESK,
    OTHER_DESK,
    alert,
    all_of,
    change,
    confirm,
    detection,
    get,
    gone,
    in_one_transaction,
    matched,
    notifications,
    person,
    slots,
    told_pairs,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server")
MINUTE = timedelta(minutes=1)


def hold(desk_id: str = DESK) -> None:
    with session() as s:
        s.merge(DeskState(id=desk_id, held_at=clock()))


def release(desk_id: str = DESK) -> None:
    change(DeskState, desk_id, held_at=None)


def lost() -> list[object]:
    return [each for each, _ in sweep.unmatched(clock())]


def test_a_detection_waits_for_the_end_of_the_hold_and_is_found_by_the_sweep(
    frozen: time_machine.Traveller,
) -> None:
    alert(person())
    hold()
    seen = detection()
    assert matched(seen) == []
    assert get(Detection, seen).matched_at is None
    frozen.shift(MINUTE)
    assert lost() == []
    assert read_messages().unmatched == 0
    release()
    assert read_messages().unmatched == 1
    assert lost() == [seen]
    assert len(matched(seen)) == 1


def test_other_desks_are_not_held() -> None:
    alert(person(), {"desk_id": OTHER_DESK})
    hold()
    assert len(matched(detection(desk_id=OTHER_DESK))) == 1


def test_nothing_catches_up_during_a_hold(whole: "Running") -> None:
    opened = slots()
    matched(detection(opened))
    late = alert(person())
    hold()
    catch_up(str(late))
    rearm(DESK)
    assert whole.messages() == []
    release()
    rearm(DESK)
    assert len(whole.messages()) == 1
    rearm(DESK)
    assert len(whole.messages()) == 1


def test_what_is_gone_by_then_is_not_sent() -> None:
    alert(person())
    hold()
    first, second = slots(["2026-11-26", "2026-11-27"])
    seen = detection([first, second])
    matched(seen)
    gone([first])
    release()
    assert len(matched(seen)) == 1
    assert {slot for _, slot in told_pairs()} == {second}


def test_a_plan_that_ended_during_the_hold_counts_as_when_the_slots_were_seen(
    frozen: time_machine.Traveller,
) -> None:
    who = person()
    alert(who)
    hold()
    seen = detection()
    with session() as s:
        s.execute(sa.update(Grant).where(Grant.user_id == who.id).values(ends_at=clock() + MINUTE))
    frozen.shift(2 * MINUTE)
    release()
    assert len(matched(seen)) == 1


def test_a_message_that_was_written_before_the_hold_waits_for_its_end(
    whole: "Running", frozen: time_machine.Traveller
) -> None:
    alert(person())
    opened = slots()
    (made,) = matched(detection(opened))
    hold()
    deliver([made])
    row = get(Notification, made)
    assert (row.state, row.reason, row.attempts) == (State.PENDING, "false alarms reported", 0)
    release()
    frozen.shift(MINUTE)
    confirm(opened)
    deliver([made])
    assert get(Notification, made).state is State.SENT
    assert len(whole.messages()) == 1


def test_what_was_told_before_the_hold_is_not_told_again(whole: "Running") -> None:
    alert(person())
    opened = slots()
    match(str(detection(opened)))
    hold()
    match(str(detection(opened)))
    release()
    confirm(opened)
    for each in all_of(Detection):
        match(str(each.id))
    rearm(DESK)
    assert len(whole.messages()) == 1


def test_parts_of_a_crowd_stay_until_the_hold_ends(settings_env: Callable[..., None]) -> None:
    settings_env(CROWD_ALERTS="2")
    people = [person(addresses={Channel.EMAIL: f"p{each}@example.org"}) for each in range(3)]
    for each in people:
        alert(each)
    seen = detection()
    with session() as s:
        assert match_service.match_or_part(s, seen, clock()).parts == [0, 1]
    hold()
    match_part(str(seen), 0)
    assert (len(all_of(MatchPart)), notifications(), get(Detection, seen).matched_at) == (2, [], None)
    release()
    match_part(str(seen), 0)
    match_part(str(seen), 1)
    assert (all_of(MatchPart), len(notifications())) == ([], 3)
    assert get(Detection, seen).matched_at is not None


def test_a_hold_costs_no_statement() -> None:
    """The statement that takes a detection to be matched reads since when its desk is held."""
    seen = detection()
    assert statements(lambda: in_one_transaction(match_service._take_unmatched, seen, clock())) == 1
