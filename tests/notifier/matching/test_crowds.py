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
from api.models.notification import Match, Notice, Notification, Priority, State
from api.models.slot import Detection
from api.models.user import Channel, Contact
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.delivery import delivery
from notifier.delivery.nudges import WaitingWork, ask_deliver_work, rearm_seconds
from notifier.jobs import catch_up, match, rearm
from notifier.matching import match_service
from notifier.matching.match_service import find_untold
from notifier.matching.notification_writer import write_matches
from notifier.sweep import Sweep
from tests.notifier import world
from tests.notifier.receipts.receipts_world import callee, planned

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")
Queued = Callable[[str], list[tuple[str, list[Any]]]]


@pytest.fixture
def crowd(
    whole: "Running", settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> list[world.Person]:
    """Let seven people wait, two of them by two alerts; more than three are a crowd, in parts of two people."""
    settings_env(CROWD_ALERTS="3")
    monkeypatch.setattr(match_service, "_PEOPLE", 2)
    people = [world.person(addresses={Channel.EMAIL: f"p{number}@example.org"}) for number in range(7)]
    for each in people:
        world.alert(each)
    for each in people[:2]:
        world.alert(each, world.for_procedure())
    return people


def work(queued: Queued) -> None:
    match_parts(queued)
    world.deliver_queued()


def match_parts(queued: Queued) -> None:
    for asked in parts(queued):
        match(*asked)


def parts(queued: Queued) -> list[list[Any]]:
    """Return what the jobs of parts are handed: a detection, and alerts."""
    return [about for name, about in queued("many") if name == "notifier.jobs.match"]


@pytest.mark.rule("3.4")
def test_a_crowd_is_told_once_each_by_jobs_of_their_own(
    crowd: list[world.Person], queued: Queued, whole: "Running"
) -> None:
    seen = world.detection()
    match(str(seen))
    assert whole.messages() == []
    assert [key for key, *_ in parts(queued)] == [str(seen)] * 4
    for _ in range(2):  # a part may be matched twice
        work(queued)
        assert sorted(mail.to for mail in whole.messages("email")) == [
            f"p{number}@example.org" for number in range(7)
        ]
    assert len(world.all_of(Match)) == 9
    assert world.get(Detection, seen).matched_at is not None


@pytest.mark.rule("3.5")
def test_the_next_round_tells_those_whose_jobs_were_lost_and_nobody_twice(
    crowd: list[world.Person],
    queued: Queued,
    whole: "Running",
    frozen: time_machine.Traveller,
    redis_server: Any,
) -> None:
    seen = world.detection()
    match(str(seen))
    match(*parts(queued)[2])
    assert len(whole.messages("email")) == 2
    redis_server.delete("rq:queue:many")  # as popping does: the jobs themselves stay
    frozen.shift(rearm_seconds())
    Sweep().turn()
    assert queued("many") == [("notifier.jobs.rearm", [world.DESK])]
    rearm(world.DESK)
    assert len(whole.messages("email")) == 7


@pytest.mark.rule("3.5")
def test_a_part_that_meets_the_deletion_of_an_account_is_tried_once_more_at_once(
    crowd: list[world.Person], queued: Queued, whole: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    match(str(world.detection()))
    failed: list[bool] = []

    def write_or_fail(*given: Any) -> Any:
        if not failed:
            failed.append(True)
            raise DBAPIError("", {}, ForeignKeyViolation())
        return write_matches(*given)

    monkeypatch.setattr("notifier.matching.match_service.write_matches", write_or_fail)
    work(queued)
    assert len(whole.messages("email")) == 7


@pytest.mark.rule("3.4")
def test_each_call_is_written_with_its_part_and_once(crowd: list[world.Person], queued: Queued) -> None:
    called = {callee().id for _ in range(2)}
    match(str(world.detection()))
    for _ in range(2):
        match_parts(queued)
    assert sorted(world.get(Notification, key).user_id for key in planned()) == sorted(called)


@pytest.mark.rule("3.4")
def test_a_crowd_whose_slot_flickers_between_its_parts_is_told_once(
    crowd: list[world.Person], queued: Queued, whole: "Running", frozen: time_machine.Traveller
) -> None:
    opened = world.slots()
    first = world.detection(opened)
    match(str(first))
    match(*parts(queued)[0])
    frozen.shift(1)
    second = world.detection(opened)
    match(*parts(queued)[1])
    assert len(whole.messages("email")) == 2, "the later detection tells the others"
    match(str(second))
    work(queued)
    assert len(whole.messages("email")) == 7
    assert {world.get(Detection, each).matched_at is not None for each in (first, second)} == {True}


@pytest.mark.rule("3.4")
@pytest.mark.parametrize("is_later", [False, True])
def test_alerts_that_catch_up_while_their_parts_wait_are_told_once(
    crowd: list[world.Person],
    queued: Queued,
    whole: "Running",
    frozen: time_machine.Traveller,
    *,
    is_later: bool,
) -> None:
    """By the detection of the parts, or by a later one of the desk, which names its open slots too."""
    seen = world.detection()
    match(str(seen))
    frozen.shift(1)
    if is_later:
        world.detection(world.slots(place="2"))
    for each in world.all_of(Alert):
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
        world.person(name, channels=(Channel.TELEGRAM,), addresses={Channel.TELEGRAM: f"70{number}"})
        for number, name in enumerate([PlanName.URGENCE_7J] * 2 + [PlanName.URGENCE_TOTAL] * 2)
    ]
    for each in several:
        world.alert(each)
    match(str(world.detection()))
    match_parts(queued)
    told = [world.get(Notification, UUID(key)).user_id for _, keys in queued("telegram-rest") for key in keys]
    assert told == [each.id for each in several[2:] + several[:2]]


def test_what_is_nudged_with_many_is_never_in_front_of_what_few_wait_for(
    queued: Queued, redis_server: redis.Redis
) -> None:
    crowd = [WaitingWork(new_id(), Channel.SMS, Priority.CRITICAL) for _ in range(51)]
    ask_deliver_work(crowd)
    ask_deliver_work(crowd[:50])
    assert [key for _, keys in queued("sms-rest") for key in keys] == [str(each.id) for each in crowd]
    assert [key for _, keys in queued("sms-single") for key in keys] == [str(each.id) for each in crowd[:50]]


# Rounds of re-arming


def hours(number: int) -> list[int]:
    """Open so many slots, an hour apart."""
    return world.slots([world.MORNING + timedelta(hours=each) for each in range(number)])


def people(number: int) -> list[UUID]:
    return [
        world.alert(world.person(addresses={Channel.EMAIL: f"p{each}@example.org"})) for each in range(number)
    ]


@pytest.mark.rule("3.4")
def test_a_round_and_an_alert_that_is_about_another_desk_wait_for_nobody_who_holds_the_desk() -> None:
    people(1)
    world.told(world.matched(world.detection(hours(2))))
    world.detection(desk_id=world.OTHER_DESK)
    late = world.alert(world.person(), {"desk_id": world.OTHER_DESK})
    with engine().connect() as other, other.begin():
        other.execute(
            sa.text("SELECT pg_advisory_xact_lock(0x524456, hashtext(:desk))"), {"desk": world.DESK}
        )
        rearm(world.DESK)
        catch_up(str(late))
    assert len(world.notifications()) == 2


@pytest.mark.parametrize("is_verified", [True, False])
def test_who_cannot_be_reached_is_told_when_that_is_over(
    frozen: time_machine.Traveller, *, is_verified: bool
) -> None:
    who = world.person(verified=is_verified, enabled=not is_verified)
    world.alert(who)
    assert world.matched(world.detection(hours(3))) == []
    decided = [row.decided_at for row in world.all_of(Match)]
    frozen.shift(30)
    rearm(world.DESK)
    assert [row.decided_at for row in world.all_of(Match)] == decided
    world.change(Contact, who.contacts[Channel.EMAIL], enabled=True, verified_at=clock())
    rearm(world.DESK)
    assert (len(world.notifications()), len(world.all_of(Notice))) == (1, 1)


def test_what_was_told_between_the_look_and_the_lock_is_not_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = world.alert(world.person())
    world.detection(hours(2))

    def look(*about: Any) -> Any:
        found = find_untold(*about)
        world.told(world.in_one_transaction(match_service.match_open_slots, world.DESK, clock(), [waiting]))
        return found

    monkeypatch.setattr(match_service, "find_untold", look)
    rearm(world.DESK)
    assert len(world.notifications()) == 1


def test_a_crowd_that_a_round_finds_is_told_by_parts(
    whole: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_service, "_PEOPLE", 2)
    world.detection(hours(3))
    people(5)
    assert [len(each) for each in world.in_one_transaction(find_untold, world.DESK, clock())] == [2, 2, 1]
    for _ in range(2):
        rearm(world.DESK)
        assert sorted(mail.to for mail in whole.messages("email")) == [f"p{n}@example.org" for n in range(5)]
    assert len(world.notifications()) == 5


def test_a_message_of_many_slots_leaves_until_the_last_of_them_is_gone_and_counts_what_is_open(
    whole: "Running",
) -> None:
    world.alert(world.person(addresses={Channel.EMAIL: "one@example.org"}))
    world.alert(
        world.person(addresses={Channel.EMAIL: "two@example.org"}), {"desk_id": world.DESK, "weekdays": [4]}
    )
    opened = hours(20)
    first, second = world.matched(world.detection(opened))
    world.gone(opened[:-3])
    world.confirm(opened[-3:])
    delivery.hand_over(delivery.claim([first]))
    (mail,) = whole.messages("email")
    assert "3 créneaux" in mail.text
    world.gone(opened[-3:])
    delivery.hand_over(delivery.claim([second]))
    assert {row.state for row in world.notifications()} == {State.SENT, State.PENDING}  # they may be back
