"""Answers that prove nothing, with copies that were accepted or were not: how often one person gets the same."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import time_machine

from api.models.base import session
from api.models.notification import Notification, State
from api.models.provider_event import ReceiptKind
from api.models.user import Channel, User
from configs.ground.clock import clock
from notifier import jobs, receipts
from notifier.applied_receipts import expire_receipts
from notifier.channels.batch_sender import providers
from notifier.channels.provider_base import Acceptance, OutcomeUnknown, PermanentError, Receipt
from notifier.delivery.claiming import ALL_COPIES
from notifier.jobs import deliver
from notifier.message_kinds.slots import LATE_AFTER
from tests.factories import add_message
from tests.in_turn import in_turn
from tests.notifier import world
from tests.notifier.conftest import Answering, Posts
from tests.notifier.receipts.receipts_world import calls, missed_sms

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")
Put = Callable[..., None]
TEN_MINUTES = 600
GATEWAY = b"<html>Bad gateway</html>"


def say(row: Notification, kind: ReceiptKind, sid: str) -> None:
    """Let Twilio say of a copy what became of it, and apply that."""
    said = Receipt(f"{sid}:{kind.value}", kind, clock(), world.ADDRESSES[Channel.SMS], sid, (row.id,))
    with session() as opened:
        receipts.store(opened, "twilio", [said])
    jobs.apply_receipts()


def live(frozen: time_machine.Traveller, opened: Sequence[int], seconds: int, step: int = 1) -> None:
    """Let a slot stay open for some seconds, each with a sweep."""
    for second in range(0, seconds, step):
        frozen.shift(timedelta(seconds=step))
        if second % 60 == 0:
            world.confirm(opened)
        world.sweep()


def begin(channel: Channel, **alert: bool) -> list[int]:
    """Announce a slot to one person, and send what that wrote; return the slot."""
    who = world.person(channels=(channel,))
    world.change(User, who.id, **world.ALL_DAY)
    world.alert(who, **alert)
    opened = world.slots()
    world.match(str(world.detection(opened)))
    return opened


@in_turn("status", [500, 502, 503, 504])
def test_an_sms_that_a_gateway_failed_to_answer_is_settled_by_the_first_word_of_its_provider(
    whole: "Running", frozen: time_machine.Traveller, posts: Posts, settings_env: Put, status: int
) -> None:
    world.start_anew(whole)
    posts.paths.clear()
    settings_env(STAND_INS=f"twilio={posts.url}")
    posts.usual = (status, GATEWAY)
    opened = begin(Channel.SMS)
    frozen.shift(timedelta(seconds=2))
    say(world.notifications()[0], ReceiptKind.ACCEPTED, "SM1")
    live(frozen, opened, TEN_MINUTES, step=15)
    (row,) = world.notifications()
    assert (len(posts.paths), row.state, row.provider_id, row.unknown_attempts) == (
        1, State.SENT, "SM1", 0,
    )  # fmt: skip
    assert row.cost == Decimal("0.08")
    say(row, ReceiptKind.DELIVERED, "SM1")
    assert world.notifications()[0].state is State.DELIVERED


def test_an_sms_whose_failure_comes_before_the_word_that_it_was_accepted_is_sent_again(
    frozen: time_machine.Traveller, posts: Posts, settings_env: Put
) -> None:
    settings_env(STAND_INS=f"twilio={posts.url}")
    posts.answers, posts.usual = [(502, GATEWAY)], (201, b'{"sid": "SM2", "num_segments": "1"}')
    opened = begin(Channel.SMS)
    (row,) = world.notifications()
    for kind in (ReceiptKind.REFUSED, ReceiptKind.ACCEPTED):
        say(row, kind, "SM1")
    live(frozen, opened, 62)
    assert [(each.state, each.provider_id) for each in world.notifications()] == [(State.SENT, "SM2")]


@pytest.fixture
def unsure(posts: Posts, settings_env: Put) -> Notification:
    """Give an SMS of which four copies left: three of unknown fate, and one that was accepted."""
    settings_env(STAND_INS=f"twilio={posts.url}")
    posts.usual = (201, b'{"sid": "SM4", "num_segments": "1"}')
    world.alert(world.person(channels=(Channel.EMAIL, Channel.SMS)))
    world.matched(world.detection())
    mail, sms = sorted(world.notifications(), key=lambda each: each.channel)
    world.change(Notification, sms.id, unknown_attempts=3)
    world.change(Notification, mail.id, state=State.FAILED, reason="refused", failed_at=clock())
    deliver(str(sms.id))
    made: Notification = world.get(Notification, sms.id)
    return made


def write_beside(row: Notification, kind: str, **columns: Any) -> UUID:
    """Write another SMS of the same announcement."""
    same = {"contact_id": row.contact_id, "announcement_id": row.announcement_id, "channel": Channel.SMS}
    return add_message(row.user_id, **same | columns, kind=kind)


def test_a_late_word_of_an_earlier_copy_makes_room_for_no_fifth_sms(
    unsure: Notification, posts: Posts
) -> None:
    say(unsure, ReceiptKind.DELIVERED, "SM1")
    (row,) = world.notifications(State.DELIVERED)
    assert (row.provider_id, row.cost, row.unknown_attempts) == ("SM1", Decimal("0.16"), 3)
    other = write_beside(row, "call_missed", params=row.params | {"call": str(row.id)})
    deliver(str(other))
    assert world.get(Notification, other).state is State.FAILED
    assert len(posts.paths) == 1


def test_an_alert_whose_sms_are_used_up_is_told_on_another_channel(unsure: Notification) -> None:
    unheard = {"accepted_at": None, "provider": None, "provider_id": None, "next_attempt_at": clock()}
    world.change(Notification, unsure.id, state=State.PENDING, **unheard)
    write_beside(unsure, "call_missed", state=State.SENT, accepted_at=clock())
    deliver(str(unsure.id))
    assert world.after(unsure.id) == (State.FAILED, ALL_COPIES)
    expire_receipts(clock())
    (mail,) = world.notifications(State.PENDING)
    assert (mail.channel, mail.announcement_id) == (Channel.EMAIL, unsure.announcement_id)


def test_of_two_sms_that_one_job_claims_the_last_copy_leaves(unsure: Notification, posts: Posts) -> None:
    unheard = {"accepted_at": None, "provider": None, "provider_id": None, "next_attempt_at": clock()}
    world.change(Notification, unsure.id, state=State.PENDING, **unheard)
    posts.paths.clear()
    other = write_beside(unsure, "call_missed", params=unsure.params | {"call": str(unsure.id)})
    deliver(str(unsure.id), str(other))
    assert (world.after(unsure.id), world.after(other)) == ((State.SENT, None), (State.FAILED, ALL_COPIES))
    assert len(posts.paths) == 1


def test_an_sms_that_was_not_accepted_by_who_answered_500_is_sent_within_three_minutes(
    frozen: time_machine.Traveller, posts: Posts, settings_env: Put
) -> None:
    settings_env(STAND_INS=f"twilio={posts.url}")
    posts.answers, posts.usual = [(500, b'{"code": 20500}')], (201, b'{"sid": "SM2", "num_segments": "1"}')
    opened = begin(Channel.SMS)
    live(frozen, opened, 59)
    assert len(posts.paths) == 1
    live(frozen, opened, 3)
    (row,) = world.notifications()
    assert (row.state, row.provider_id, row.unknown_attempts) == (State.SENT, "SM2", 1)


@pytest.mark.parametrize(("channel", "provider"), [
    (Channel.SMS, "twilio"), pytest.param(Channel.TELEGRAM, "telegram", marks=pytest.mark.journey),
])  # fmt: skip
def test_whatever_is_answered_few_copies_of_an_alert_leave_in_two_hours(
    frozen: time_machine.Traveller,
    posts: Posts,
    settings_env: Put,
    channel: Channel,
    provider: str,
) -> None:
    settings_env(STAND_INS=f"{provider}={posts.url}")
    posts.usual = (502, GATEWAY)
    live(frozen, begin(channel), 2 * 3600, step=15)
    assert len(posts.paths) == (4 if channel is Channel.SMS else 7)


@pytest.mark.journey
def test_a_phone_rings_twice_at_most_for_one_announcement_and_gets_four_sms_with_that_after_the_calls(
    frozen: time_machine.Traveller, posts: Posts, settings_env: Put
) -> None:
    settings_env(
        STAND_INS=f"twilio={posts.url},twilio_calls={posts.url}", TWILIO_VOICE_NUMBER="+33162000001",
        CALLS_PER_SECOND="1000",
    )  # fmt: skip
    posts.usual = (504, GATEWAY)
    opened = begin(Channel.SMS, voice_enabled=True)
    for _ in range(2 * 60):
        live(frozen, opened, 60, step=15)
        jobs.apply_receipts()
        expire_receipts(clock())
    assert sum("Calls" in each for each in posts.paths) == 2
    assert sum("Messages" in each for each in posts.paths) == 4
    assert [row.state for row in calls()] == [State.FAILED]
    (sms,) = missed_sms()
    assert sms.created_at - calls()[0].created_at < LATE_AFTER


@in_turn("kind, state", [(ReceiptKind.DELIVERED, State.DELIVERED), (ReceiptKind.REFUSED, State.SENT)])
def test_of_two_copies_an_arrival_settles_the_message_and_a_failure_only_its_own(
    whole: "Running",
    monkeypatch: pytest.MonkeyPatch,
    frozen: time_machine.Traveller,
    kind: ReceiptKind,
    state: State,
) -> None:
    world.start_anew(whole)
    twilio = Answering(OutcomeUnknown("no answer"))
    monkeypatch.setitem(providers(), "twilio", twilio)
    opened = begin(Channel.SMS)
    twilio.answer = Acceptance("twilio", "SM2", Decimal("0.08"), awaits_receipt=True)
    live(frozen, opened, 61)
    (row,) = world.notifications()
    assert (row.state, row.unknown_attempts) == (State.SENT, 1)
    say(row, kind, "SM1")
    (row,) = world.notifications()
    assert row.state is state
    if state is State.DELIVERED:
        assert (row.provider_id, row.unknown_attempts, row.cost) == ("SM1", 1, Decimal("0.16"))
    say(row, ReceiptKind.REFUSED, "SM2")
    assert len(world.notifications(State.BOUNCED)) == (0 if state is State.DELIVERED else 1)


def test_a_message_that_the_first_provider_refuses_leaves_by_the_second(
    monkeypatch: pytest.MonkeyPatch, settings_env: Put
) -> None:
    settings_env(MAIL_PROVIDERS="sendgrid,smtp")
    sendgrid = Answering(PermanentError("sendgrid answered 400 content", of_all=True))
    smtp = Answering(Acceptance("smtp", ""))
    for name, provider in (("sendgrid", sendgrid), ("smtp", smtp)):
        monkeypatch.setitem(providers(), name, provider)
    world.alert(world.person())
    world.match(str(world.detection()))
    (row,) = world.notifications()
    assert (row.state, row.provider, row.unknown_attempts) == (State.SENT, "smtp", 0)
