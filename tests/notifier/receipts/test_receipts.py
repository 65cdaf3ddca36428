"""Receipts of providers: signed, stored without addresses, applied once and in any order."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import time_machine
from structlog.testing import capture_logs

import notifier
from api.models.base import session
from api.models.contact_lookup import claim_address
from api.models.notification import Notification, State
from api.models.provider_event import BOUNCE_WAIT, ProviderEvent, ReceiptKind
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from deploy.sandbox.providers.receipts import make_public_key, sign_events
from notifier.delivery.nudges import no_receipt_seconds
from notifier.jobs import apply_receipts, deliver
from notifier.sweep import Sweep
from tests.factories import rows
from tests.in_turn import in_turn
from tests.notifier import world
from tests.notifier.receipts.receipts_world import (
    HARD,
    SECRET,
    answer_sms,
    call_twilio_hook,
    event_of,
    send_events,
    send_sms_state,
)

pytestmark = pytest.mark.usefixtures("whole")


@pytest.fixture(autouse=True)
def _keys(whole: Any, settings_env: Callable[..., None]) -> None:
    settings_env(
        SENDGRID_WEBHOOK_KEY=f"{make_public_key('newer')},{make_public_key(SECRET)}",
        API_URL="http://127.0.0.1:4000",
    )


def sent(channel: Channel = Channel.EMAIL, *others: Channel) -> UUID:
    """Write a slot alert and have it sent; return its id."""
    return send(channel, *others)[channel]


def unknown(channel: Channel = Channel.EMAIL) -> UUID:
    """Write a slot alert whose attempt may have been accepted; return its id."""
    world.alert(world.person(channels=(channel,)))
    (key,) = world.matched(world.detection())
    again = clock() + timedelta(hours=1)
    world.change(Notification, key, unknown_attempts=1, attempts=1, next_attempt_at=again)
    return key


def stored() -> list[ProviderEvent]:
    return rows(ProviderEvent)


def state_of(key: UUID) -> State:
    found: State = world.get(Notification, key).state
    return found


def contact_of(key: UUID) -> Contact:
    contact_id = world.get(Notification, key).contact_id
    assert contact_id
    found: Contact = world.get(Contact, contact_id)
    return found


def losses() -> list[Notification]:
    return rows(Notification, Notification.kind == "channel_lost")


def test_a_delivered_mail_is_delivered_and_the_row_says_when() -> None:
    key = sent()
    event = event_of(key)
    send_events(event)
    assert state_of(key) is State.SENT, "a job applies it"
    apply_receipts()
    row = world.get(Notification, key)
    assert row.state is State.DELIVERED
    assert row.accepted_at
    assert row.delivered_at
    assert row.delivered_at >= row.accepted_at
    (kept,) = stored()
    assert (kept.event_id, kept.kind) == (event["sg_event_id"], ReceiptKind.DELIVERED)
    assert (kept.applied_at is None, kept.next_attempt_at) == (False, None)


def test_neither_the_address_nor_what_was_said_is_stored() -> None:
    key = sent()
    send_events(event_of(key, "bounce", reason="550 camille@example.org unknown", **HARD))
    with session() as s:
        text = str(s.scalar(sa.text("SELECT t::text FROM provider_events t")))
    assert "example.org" not in text
    assert "unknown" not in text
    assert "5.1.1" in text


@pytest.mark.parametrize("kind", ["bounce", "delivered"])
def test_a_failure_waits_for_an_answer_that_is_written_late_an_arrival_settles_a_call_whose_worker_died(
    kind: str,
) -> None:
    """The database was away for longer than a call takes: its answer comes all the same."""
    key = unknown()
    lease = {"lease_token": uuid4(), "lease_until": clock() + timedelta(minutes=10)}
    world.change(Notification, key, state=State.SENDING, unknown_attempts=0, **lease)
    send_events(event_of(key, kind, message_id="late", type="blocked"))
    (waiting,) = stored()
    world.change(ProviderEvent, waiting.id, received_at=clock() - timedelta(minutes=1))
    apply_receipts()
    if kind == "delivered":
        assert state_of(key) is State.DELIVERED
        return
    assert stored()[0].applied_at is None
    ended = {"lease_token": None, "lease_until": None, "accepted_at": clock()}
    world.change(Notification, key, state=State.SENT, provider="sendgrid", provider_id="late", **ended)
    world.change(ProviderEvent, waiting.id, next_attempt_at=clock())
    apply_receipts()
    assert state_of(key) is State.BOUNCED


def test_an_event_about_a_stranger_or_nobody_is_stored_and_changes_nothing() -> None:
    key = sent()
    send_events(
        event_of(key, notification_id=str(uuid4())), event_of(key, notification_id="no id"),
        {"event": "open", "sg_event_id": "x", "timestamp": 1}, {"event": "delivered"},
    )  # fmt: skip
    apply_receipts()
    assert state_of(key) is State.SENT
    assert len(stored()) == 2


def test_a_forged_or_replayed_signature_is_refused() -> None:
    key = sent()
    with pytest.raises(PermissionError):
        send_events(event_of(key), secret="a stranger's")
    body = json.dumps([event_of(key)]).encode()
    headers = sign_events(SECRET, body, 1)
    with pytest.raises(PermissionError):
        notifier.store_receipts("sendgrid", headers | {"X-Twilio-Email-Event-Webhook-Timestamp": "2"}, body)
    with pytest.raises(PermissionError):
        notifier.store_receipts("sendgrid", headers, body + b" ")
    assert stored() == []


@in_turn("body", [b"", b"{}", b"[1, null]", b"[" * 5000, b"\xff"])
def test_a_signed_call_of_another_shape_stores_nothing(body: bytes) -> None:
    notifier.store_receipts("sendgrid", sign_events(SECRET, body, 1), body)
    assert stored() == []


def test_a_hard_bounce_loses_the_contact_and_another_channel_tells(frozen: time_machine.Traveller) -> None:
    key = sent(Channel.EMAIL, Channel.TELEGRAM)
    send_events(event_of(key, "bounce", **HARD))
    apply_receipts()
    frozen.shift(BOUNCE_WAIT)
    apply_receipts()
    apply_receipts()
    assert (state_of(key), world.get(Notification, key).reason) == (State.BOUNCED, "sendgrid 5.1.1")
    assert contact_of(key).state is ContactState.BOUNCED
    (told,) = losses()
    assert (told.channel, told.params) == (Channel.TELEGRAM, {"channel": "email", "state": "bounced"})


@pytest.mark.parametrize("waits", [False, True])
def test_a_bounce_of_an_address_that_was_replaced_leaves_the_new_one(
    frozen: time_machine.Traveller, *, waits: bool
) -> None:
    key = sent()
    event = event_of(key, "bounce", **HARD)
    if waits:  # as Redis is away
        send_events(event)
        frozen.shift(3600)
    world.change(Contact, contact_of(key).id, address="new@example.org", verified_at=clock())
    send_events(event)
    apply_receipts()
    assert state_of(key) is State.BOUNCED
    assert contact_of(key).state is ContactState.OK
    assert losses() == []


@pytest.mark.journey
@in_turn(
    "event, fields, state",
    [
        ("bounce", {"type": "bounce", "status": "5.1.10"}, ContactState.BOUNCED),
        ("bounce", {"status": "5.0.0", "reason": "550 5.1.1 no such user"}, ContactState.BOUNCED),
        (
            "bounce",
            {"type": "bounce", "status": "5.0.0", "reason": "500 unknown recipient"},
            ContactState.BOUNCED,
        ),
        ("dropped", {"reason": "Bounced Address"}, ContactState.BOUNCED),
        ("spamreport", {}, ContactState.UNSUBSCRIBED),
        ("bounce", {"type": "blocked", "status": "5.7.1"}, ContactState.OK),
        # tried for days; of no type, and for now only; words that speak of us
        ("bounce", {"type": "expired", "status": "", "reason": "unable to deliver in time"}, ContactState.OK),
        ("bounce", {"type": "expired", "status": "5.1.1"}, ContactState.OK),
        ("bounce", {"status": "4.2.1"}, ContactState.OK),
        (
            "bounce",
            {"type": "bounce", "status": "", "reason": "550 Message rate limit exceeded"},
            ContactState.OK,
        ),
        ("delivered", {}, ContactState.OK),
    ],
)
def test_a_receipt_that_names_only_an_address_is_about_its_mailbox(
    whole: Any, frozen: time_machine.Traveller, event: str, fields: dict[str, str], state: ContactState
) -> None:
    world.start_anew(whole)
    key = sent(Channel.EMAIL, Channel.TELEGRAM)
    # SendGrid tells whole seconds: a bounce of the second of the confirmation may be older.
    world.change(Contact, contact_of(key).id, verified_at=clock() - timedelta(minutes=1))
    bare = {"sg_message_id": "", "notification_id": ""} | fields
    send_events(event_of(key, event, email="stranger@example.org", **bare))
    apply_receipts()
    assert contact_of(key).state is ContactState.OK
    send_events(event_of(key, event, email="CAMILLE@Example.org", **bare))
    apply_receipts()
    frozen.shift(BOUNCE_WAIT)
    apply_receipts()
    assert contact_of(key).state is state
    assert len(losses()) == (state is not ContactState.OK)


def test_the_states_of_an_sms(frozen: time_machine.Traveller) -> None:
    ends = [
        ("delivered", "", State.DELIVERED, ContactState.OK),
        ("sent", "", State.SENT, ContactState.OK),
        ("undelivered", "30003", State.BOUNCED, ContactState.OK),
        ("undelivered", "21612", State.BOUNCED, ContactState.OK),
        ("failed", "30005", State.BOUNCED, ContactState.BOUNCED),
        ("failed", "21610", State.BOUNCED, ContactState.UNSUBSCRIBED),
    ]
    for number, _ in enumerate(ends):
        world.alert(world.person(channels=(Channel.SMS,), addresses={Channel.SMS: f"+3361234567{number}"}))
    keys = world.matched(world.detection())
    deliver(*map(str, keys))
    for key, (status, code, *_) in zip(keys, ends, strict=True):
        send_sms_state(key, status, code)
    apply_receipts()
    frozen.shift(BOUNCE_WAIT)
    apply_receipts()
    assert [(state_of(key), contact_of(key).state) for key in keys] == [each[2:] for each in ends]


def test_stop_by_sms_ends_sms_and_mail_tells() -> None:
    key = sent(Channel.SMS, Channel.EMAIL)
    with session() as s:
        assert claim_address(s, s.get_one(Contact, contact_of(key).id))
    answer_sms(world.ADDRESSES[Channel.SMS], "Merci beaucoup")
    answer_sms("+33699999999", "STOP")
    apply_receipts()
    assert contact_of(key).state is ContactState.OK
    answer_sms(world.ADDRESSES[Channel.SMS], " Stop ")
    apply_receipts()
    assert contact_of(key).state is ContactState.UNSUBSCRIBED
    assert [each.channel for each in losses()] == [Channel.EMAIL]


def test_the_state_of_a_strangers_message_changes_none_of_ours() -> None:
    key = sent(Channel.SMS)
    send_sms_state(key, "undelivered", "30003", sid="SM" + "9" * 32)
    send_sms_state(key, "undelivered", "30005", sid="SM" + "8" * 32, to="+33699999999")
    apply_receipts()
    assert (state_of(key), contact_of(key).state) == (State.SENT, ContactState.OK)
    assert all(each.applied_at for each in stored())


def test_a_yes_that_comes_after_the_failure_of_its_copy_keeps_no_message_from_being_sent_again() -> None:
    key = unknown(Channel.SMS)
    send_sms_state(key, "undelivered", "30003", sid="SM" + "9" * 32)
    apply_receipts()
    send_sms_state(key, "sent", sid="SM" + "9" * 32)
    apply_receipts()
    assert state_of(key) is State.PENDING


def test_a_call_of_twilio_is_checked_with_address_form_and_account() -> None:
    key = sent(Channel.SMS)
    with pytest.raises(PermissionError):
        call_twilio_hook({"AccountSid": "AC" + "9" * 32, "MessageSid": "SM1", "MessageStatus": "delivered"})
    with pytest.raises(PermissionError):
        notifier.store_receipts("twilio", {"X-Twilio-Signature": "AAAA"}, b"MessageSid=SM1")
    assert stored() == []
    assert state_of(key) is State.SENT


# Messages that no receipt came for

SMS, EMAIL = Channel.SMS, Channel.EMAIL


def send(*channels: Channel) -> dict[Channel, UUID]:
    """Send one slot alert on each channel of a person; return the ids."""
    world.alert(world.person(channels=channels))
    keys = world.matched(world.detection())
    deliver(*map(str, keys))
    return {world.get(Notification, key).channel: key for key in keys}


def pass_ten_minutes(frozen: time_machine.Traveller) -> None:
    frozen.shift(timedelta(seconds=no_receipt_seconds() + 1))
    Sweep().turn()


def test_an_sms_without_a_receipt_is_told_once_on_another_channel(frozen: time_machine.Traveller) -> None:
    keys = send(SMS, EMAIL)
    world.change(Notification, keys[EMAIL], state=State.FAILED, reason="refused", failed_at=clock())
    before = len(world.notifications())
    pass_ten_minutes(frozen)
    Sweep().turn()
    assert world.get(Notification, keys[SMS]).state is State.NO_RECEIPT
    assert len(world.notifications()) == before + 1
    (made,) = world.notifications(State.PENDING)
    lost = world.get(Notification, keys[SMS])
    assert (made.channel, made.kind, made.dedupe_key) == (EMAIL, "slot_detected", f"fallback:{lost.id}")
    assert (made.matched_at, made.params) == (lost.matched_at, lost.params)


@pytest.mark.parametrize(("is_told", "is_on"), [(True, True), (False, False)])
def test_what_another_channel_told_or_may_not_tell_is_not_told_again(
    frozen: time_machine.Traveller, *, is_told: bool, is_on: bool
) -> None:
    keys = send(SMS, EMAIL)
    mail = world.get(Notification, keys[EMAIL])
    world.change(Contact, mail.contact_id, enabled=is_on)
    if not is_told:
        world.change(Notification, mail.id, state=State.FAILED, reason="refused", failed_at=clock())
    pass_ten_minutes(frozen)
    assert world.get(Notification, keys[SMS]).state is State.NO_RECEIPT
    assert world.notifications(State.PENDING) == []


def test_nothing_is_expected_of_telegram_or_of_mail_without_a_key(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(SENDGRID_WEBHOOK_KEY="")
    keys = send(EMAIL, Channel.TELEGRAM)
    pass_ten_minutes(frozen)
    states = [world.get(Notification, keys[each]).state for each in (EMAIL, Channel.TELEGRAM)]
    assert states == [State.SENT, State.DELIVERED]


def test_a_detection_is_followed_in_the_logs_from_its_match_to_the_receipts_without_an_address() -> None:
    for number in range(2):
        world.alert(world.person(addresses={Channel.EMAIL: f"p{number}@example.org"}))
    key = world.detection()
    with capture_logs() as logs:
        world.match(str(key))
        sent = [row.id for row in world.notifications()]
        send_events(*map(event_of, sent))
        apply_receipts()
    mine = {each["event"]: each for each in logs if str(key) in str(each)}
    assert list(mine) == ["matched", "sent", "delivered"]
    assert (mine["matched"]["alerts"], mine["matched"]["notifications"]) == (2, 2)
    for event in ("sent", "delivered"):
        assert set(mine[event]["notification"].split()) == {str(each) for each in sent}
        assert mine[event]["provider"] == "sendgrid"
    assert mine["sent"]["milliseconds"] >= 0
    assert "@" not in str(logs)
