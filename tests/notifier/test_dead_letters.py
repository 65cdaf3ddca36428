from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
import time_machine

import notifier
from api.models.base import session
from api.models.notification import Notification, State
from api.models.slot import SlotRow
from api.models.user import Channel
from configs.ground.clock import clock
from notifier.dead_letters import main
from notifier.jobs import deliver
from notifier.matching import match_service
from tests.notifier.world import (
    ADDRESSES,
    DESK,
    alert,
    all_of,
    change,
    confirm,
    detection,
    get,
    in_one_transaction,
    matched,
    notifications,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")


def dead(reason: str = "attempts used up: sendgrid answered 500", channel: Channel = Channel.EMAIL) -> UUID:
    """Write a slot alert that failed."""
    alert(person(channels=(channel,)))
    (made,) = matched(detection(slots()))
    unknown = 4 if reason.startswith("unknown: ") else 0
    ended = {"reason": reason, "failed_at": clock(), "attempts": 5, "unknown_attempts": unknown}
    change(Notification, made, state=State.FAILED, **ended)
    return made


def test_dead_letters_are_listed_with_their_reasons_and_no_address(
    sandbox: "Running", capsys: pytest.CaptureFixture[str]
) -> None:
    key = dead()
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert f"{key}  2026-11-20 09:00:00  email" in said
    assert "attempts used up: sendgrid answered 500" in said
    assert "1 dead letters" in said
    assert ADDRESSES[Channel.EMAIL] not in said


def test_a_replayed_letter_arrives_with_all_its_attempts_before_it(
    sandbox: "Running", capsys: pytest.CaptureFixture[str]
) -> None:
    key = dead()
    assert main(["replay"]) == 0
    row = get(Notification, key)
    assert (row.state, row.attempts, row.failed_at, row.reason) == (State.PENDING, 0, None, None)
    deliver(str(key))
    assert get(Notification, key).state is State.SENT
    assert len(sandbox.messages("email")) == 1
    main(["replay"])
    assert capsys.readouterr().out.endswith("0 of 0 dead letters replayed\n")


@pytest.mark.parametrize(("more", "replayed"), [([], 0), (["--unsure"], 1)])
def test_what_may_have_arrived_is_replayed_only_on_demand(more: list[str], replayed: int) -> None:
    dead("unknown: twilio did not answer: ReadTimeout", Channel.SMS)
    main(["replay", *more])
    assert len(notifications(State.PENDING)) == replayed


@pytest.mark.parametrize(
    "given", [["--channel", "sms"], ["--kind", "verify_email"], ["--reason", "blocked"], ["--hours", "0.5"]]
)
def test_only_what_is_asked_for_is_replayed(given: list[str], frozen: time_machine.Traveller) -> None:
    dead()
    frozen.shift(timedelta(hours=1))
    main(["replay", *given])
    assert notifications(State.PENDING) == []
    main(
        [
            "replay",
            "--channel",
            "email",
            "--kind",
            "slot_detected",
            "--hours",
            "2",
            "--reason",
            "answered 500",
        ]
    )
    assert len(notifications(State.PENDING)) == 1


@pytest.mark.rule("3.4")
def test_an_alert_that_no_provider_took_is_told_anew_after_half_an_hour_and_not_replayed_then(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = dead()
    opened = [each.id for each in all_of(SlotRow)]
    for minutes, fresh in ((29, 0), (2, 1), (2, 0)):
        frozen.shift(timedelta(minutes=minutes))
        confirm(opened)
        assert len(in_one_transaction(match_service.match, DESK, clock())) == fresh
    main(["replay", str(key)])
    for row in notifications(State.PENDING):
        deliver(str(row.id))
    assert get(Notification, key).state is State.FAILED  # what it spoke of is the other's to tell
    assert len(sandbox.messages("email")) == 1


@pytest.mark.rule("6.5")
def test_what_another_message_of_another_check_tells_stays_dead(frozen: time_machine.Traveller) -> None:
    key = dead()
    opened = [each.id for each in all_of(SlotRow)]
    frozen.shift(timedelta(minutes=31))
    confirm(opened)
    (other,) = matched(detection(opened))
    for state in (State.PENDING, State.SENT):
        change(Notification, other, state=state, accepted_at=clock())
        main(["replay", str(key)])
        assert get(Notification, key).state is State.FAILED
    change(Notification, other, state=State.FAILED, reason="attempts used up: x", failed_at=clock())
    main(["replay", str(key)])
    assert get(Notification, key).state is State.PENDING


@pytest.mark.rule("6.5")
def test_an_alert_that_may_have_arrived_is_not_told_anew(frozen: time_machine.Traveller) -> None:
    dead("unknown: sendgrid did not answer: ReadTimeout")
    frozen.shift(timedelta(minutes=31))
    confirm([each.id for each in all_of(SlotRow)])
    assert in_one_transaction(match_service.match, DESK, clock()) == []


def test_the_front_door_replays_dead_letters_and_nothing_else_and_two_at_once_replay_one_once(
    frozen: time_machine.Traveller,
) -> None:
    key = dead()
    with session() as one, session() as two:
        assert notifier.replay(one, [key, uuid4()]) == [key]
        assert notifier.replay(two, [key]) == []
    assert get(Notification, key).state is State.PENDING
    assert in_one_transaction(notifier.replay, [key]) == []
