"""A detection that very many wait for is matched in parts, beside the single ones."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
import time_machine
from psycopg2.errors import ForeignKeyViolation
from sqlalchemy.exc import DBAPIError

from api.models.alert import Alert
from api.models.base import engine, new_id
from api.models.notice import Notice
from api.models.notification import Match, Notification, Priority, State
from api.models.slot import Detection
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.delivery import delivery
from notifier.delivery.nudges import REARM_SECONDS, WaitingWork, deliver
from notifier.jobs import catch_up, match, rearm
from notifier.matching import match_service
from notifier.matching.match_service import find_untold
from notifier.matching.notification_writer import write
from notifier.sweep import Sweep
from tests.notifier.receipts_world import callee, planned
from tests.notifier.world import (
    DESK,
    MORNING,
    OTHER_DESK,
    Person,
    alert,
    all_of,
    change,
    confirm,
    deliver_queued,
    detection,
    for_procedure,
    get,
    gone,
    in_one_transaction,
    matched,
    notifications,
    person,
    slots,
    told,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
Queued = Callable[[str], list[tuple[str, list[Any]]]]


@pytest.fixture
def crowd(
    whole: "Running", settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> list[Person]:
    """Let seven people wait, two of them by two alerts; more than three are a crowd, in parts of two people."""
    settings_env(CROWD_ALERTS="3")
    monkeypatch.setattr(match_service, "_PEOPLE", 2)
    people = [person(addresses={Channel.EMAIL: f"p{number}@example.org"}) for number in range(7)]
    for each in people:
        alert(each)
    for each in people[:2]:
        alert(each, for_procedure())
    return people


def work(queued: Queued) -> None:
    match_parts(queued)
    deliver_queued()


def match_parts(queued: Queued) -> None:
    for asked in parts(queued):
        match(*asked)


def parts(queued: Queued) -> list[list[Any]]:
    """Return what the jobs of parts are handed: a detection, and alerts."""
    return [about for name, about in queued("many") if name == "notifier.jobs.match"]


@pytest.mark.rule("3.4")
def test_a_crowd_is_told_once_each_by_jobs_of_their_own(
    crowd: list[Person], queued: Queued, whole: "Running"
) -> None:
    seen = detection()
    match(str(seen))
    assert whole.messages() == []
    assert [key for key, *_ in parts(queued)] == [str(seen)] * 4
    for _ in range(2):  # a part may be matched twice
        work(queued)
        assert sorted(mail.to for mail in whole.messages("email")) == [
            f"p{number}@example.org" for number in range(7)
        ]
    assert len(all_of(Match)) == 9
    assert get(Detection, seen).matched_at is not None


@pytest.mark.rule("3.5")
def test_the_next_round_tells_those_whose_jobs_were_lost_and_nobody_twice(
    crowd: list[Person], queued: Queued, whole: "Running", frozen: time_machine.Traveller, redis_server: Any
) -> None:
    seen = detection()
    match(str(seen))
    match(*parts(queued)[2])
    assert len(whole.messages("email")) == 2
    redis_server.delete("rq:queue:many")  # as popping does: the jobs themselves stay
    frozen.shift(REARM_SECONDS())
    Sweep().turn()
    assert queued("many") == [("notifier.jobs.rearm", [DESK])]
    rearm(DESK)
    assert len(whole.messages("email")) == 7


@pytest.mark.rule("3.5")
def test_a_part_that_meets_the_deletion_of_an_account_is_tried_once_more_at_once(
    crowd: list[Person], queued: Queued, whole: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    match(str(detection()))
    failed: list[bool] = []

    def write_or_fail(*given: Any) -> Any:
        if not failed:
            failed.append(True)
            raise DBAPIError("", {}, ForeignKeyViolation())
        return write(*given)

    monkeypatch.setattr("notifier.matching.match_service.write", write_or_fail)
    work(queued)
    assert len(whole.messages("email")) == 7


@pytest.mark.rule("3.4")
def test_each_call_is_written_with_its_part_and_once(crowd: list[Person], queued: Queued) -> None:
    called = {callee().id for _ in range(2)}
    match(str(detection()))
    for _ in range(2):
        match_parts(queued)
    assert sorted(get(Notification, key).user_id for key in planned()) == sorted(called)


@pytest.mark.rule("3.4")
def test_a_crowd_whose_slot_flickers_between_its_parts_is_told_once(
    crowd: list[Person], queued: Queued, whole: "Running", frozen: time_machine.Traveller
) -> None:
    opened = slots()
    first = detection(opened)
    match(str(first))
    match(*parts(queued)[0])
    frozen.shift(1)
    second = detection(opened)
    match(*parts(queued)[1])
    assert len(whole.messages("email")) == 2, "the later detection tells the others"
    match(str(second))
    work(queued)
    assert len(whole.messages("email")) == 7
    assert {get(Detection, each).matched_at is not None for each in (first, second)} == {True}


@pytest.mark.rule("3.4")
@pytest.mark.parametrize("is_later", [False, True])
def test_alerts_that_catch_up_while_their_parts_wait_are_told_once(
    crowd: list[Person], queued: Queued, whole: "Running", frozen: time_machine.Traveller, *, is_later: bool
) -> None:
    """By the detection of the parts, or by a later one of the desk, which names its open slots too."""
    seen = detection()
    match(str(seen))
    frozen.shift(1)
    if is_later:
        detection(slots(place="2"))
    for each in all_of(Alert):
        catch_up(str(each.id))
    assert len(whole.messages("email")) == 9
    work(queued)
    assert len(whole.messages("email")) == 9


def test_within_a_crowd_the_higher_plans_go_first(
    whole: "Running", settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch, queued: Queued
) -> None:
    settings_env(CROWD_ALERTS="3")
    monkeypatch.setattr(match_service, "_PEOPLE", 3)
    several = [
        person(name, channels=(Channel.TELEGRAM,), addresses={Channel.TELEGRAM: f"70{number}"})
        for number, name in enumerate([PlanName.URGENCE_7J] * 2 + [PlanName.URGENCE_TOTAL] * 2)
    ]
    for each in several:
        alert(each)
    match(str(detection()))
    match_parts(queued)
    told = [get(Notification, UUID(key)).user_id for _, (key,) in queued("telegram-rest")]
    assert told == [each.id for each in several[2:] + several[:2]]


def test_what_is_nudged_with_many_is_never_in_front_of_what_few_wait_for(
    queued: Queued, redis_server: redis.Redis
) -> None:
    crowd = [WaitingWork(new_id(), Channel.SMS, Priority.CRITICAL) for _ in range(51)]
    deliver(crowd)
    deliver(crowd[:50])
    assert [key for _, (key,) in queued("sms-rest")] == [str(each.id) for each in crowd]
    assert [key for _, (key,) in queued("sms-single")] == [str(each.id) for each in crowd[:50]]


# Rounds of re-arming


def hours(number: int) -> list[int]:
    """Open so many slots, an hour apart."""
    return slots([MORNING + timedelta(hours=each) for each in range(number)])


def people(number: int) -> list[UUID]:
    return [alert(person(addresses={Channel.EMAIL: f"p{each}@example.org"})) for each in range(number)]


@pytest.mark.rule("3.4")
def test_a_round_and_an_alert_that_is_about_another_desk_wait_for_nobody_who_holds_the_desk() -> None:
    people(1)
    told(matched(detection(hours(2))))
    detection(desk_id=OTHER_DESK)
    late = alert(person(), {"desk_id": OTHER_DESK})
    with engine().connect() as other, other.begin():
        other.execute(sa.text("SELECT pg_advisory_xact_lock(0x524456, hashtext(:desk))"), {"desk": DESK})
        rearm(DESK)
        catch_up(str(late))
    assert len(notifications()) == 2


@pytest.mark.parametrize("is_verified", [True, False])
def test_who_cannot_be_reached_is_told_when_that_is_over(
    frozen: time_machine.Traveller, *, is_verified: bool
) -> None:
    who = person(verified=is_verified, enabled=not is_verified)
    alert(who)
    assert matched(detection(hours(3))) == []
    decided = [row.decided_at for row in all_of(Match)]
    frozen.shift(30)
    rearm(DESK)
    assert [row.decided_at for row in all_of(Match)] == decided
    change(Contact, who.contacts[Channel.EMAIL], enabled=True, verified_at=clock())
    rearm(DESK)
    assert (len(notifications()), len(all_of(Notice))) == (1, 1)


def test_what_was_told_between_the_look_and_the_lock_is_not_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = alert(person())
    detection(hours(2))

    def look(*about: Any) -> Any:
        found = find_untold(*about)
        told(in_one_transaction(match_service.match, DESK, clock(), [waiting]))
        return found

    monkeypatch.setattr(match_service, "find_untold", look)
    rearm(DESK)
    assert len(notifications()) == 1


def test_a_crowd_that_a_round_finds_is_told_by_parts(
    whole: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_service, "_PEOPLE", 2)
    detection(hours(3))
    people(5)
    assert [len(each) for each in in_one_transaction(find_untold, DESK, clock())] == [2, 2, 1]
    for _ in range(2):
        rearm(DESK)
        assert sorted(mail.to for mail in whole.messages("email")) == [f"p{n}@example.org" for n in range(5)]
    assert len(notifications()) == 5


def test_a_message_of_many_slots_leaves_until_the_last_of_them_is_gone_and_counts_what_is_open(
    whole: "Running",
) -> None:
    alert(person(addresses={Channel.EMAIL: "one@example.org"}))
    alert(person(addresses={Channel.EMAIL: "two@example.org"}), {"desk_id": DESK, "weekdays": [4]})
    opened = hours(20)
    first, second = matched(detection(opened))
    gone(opened[:-3])
    confirm(opened[-3:])
    delivery.deliver([first])
    (mail,) = whole.messages("email")
    assert "3 créneaux" in mail.text
    gone(opened[-3:])
    delivery.deliver([second])
    assert {row.state for row in notifications()} == {State.SENT, State.EXPIRED}
