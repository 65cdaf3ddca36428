"""No contact is sent more slot alerts in an hour than its cap, no day more SMS than its budget; what waits leaves as one message."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from api.jobs import schedule as jobs
from api.models.base import new_id, session
from api.models.notification import HeldFor, Notification, Priority, State, sum_of_day
from api.models.user import CONTACT_CHANNELS, Channel, Contact
from configs.ground.clock import clock
from configs.world.prefecture import desks
from notifier.channels.provider_base import find_price
from notifier.delivery import claiming, message_writer, nudges
from notifier.delivery.claiming import OVER_BUDGET
from notifier.jobs import deliver
from notifier.sweep import undelivered
from tests import factories
from tests.in_turn import in_turn
from tests.notifier import world
from tests.samples import try_first

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole", "frozen")
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _only_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no message that says how many more wait."""
    monkeypatch.setattr(claiming, "write_cap_notices", lambda *_: None)


def accept(contact: UUID, **values: Any) -> None:
    """Write a slot alert that was accepted just now."""
    now, key = clock(), new_id()
    row = {"state": State.SENT, "accepted_at": now, "created_at": now, "dedupe_key": str(key)}
    row |= {"provider": "test", "provider_id": str(key)} | values
    with session() as opened:
        to = opened.get_one(Contact, contact)
        opened.add(Notification(
            id=key, user_id=to.user_id, contact_id=to.id, channel=to.channel, kind="slot_detected",
            priority=Priority.CRITICAL, next_attempt_at=now, **row,
        ))  # fmt: skip


def turns_of(*contacts: UUID) -> list[timedelta]:
    """Return how long contacts wait for their turns, each of which is taken."""
    turns = world.in_one_transaction(claiming.read_turns, contacts, new_id(), clock())
    return [claiming.take_cap_turn(turns, each, clock()) - clock() for each in contacts]


def take(contact: UUID) -> bool:
    """Have one more accepted where the contact has a turn; return whether it has."""
    (wait,) = turns_of(contact)
    if not wait:
        accept(contact)
    return not wait


def most_in_an_hour(instants: list[datetime]) -> int:
    return max(sum(timedelta(0) <= other - one < HOUR for other in instants) for one in instants)


def play_busy_desk(
    whole: "Running", traveller: time_machine.Traveller, number: int, seconds: int, rounds: int
) -> list[datetime]:
    """Show so many slots, one after the other, and sweep each time and in some rounds more; return when messages left."""
    seen, sent = list[int](), list[datetime]()
    for each in range(rounds):
        world.confirm(seen)
        seen += world.show(each) if each < number else []
        world.sweep()
        sent += [clock()] * (len(whole.messages()) - len(sent))
        traveller.shift(seconds)
    assert {row.state for row in world.notifications()} <= {State.SENT, State.DELIVERED}
    return sent


@pytest.mark.rule("6.7")
@pytest.mark.parametrize("channel", try_first(CONTACT_CHANNELS, 1))
def test_a_busy_desk_tells_everything_within_the_cap(
    channel: Channel, whole: "Running", frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(EMAIL_PER_HOUR="6", SMS_PER_HOUR="6", TELEGRAM_PER_HOUR="6", PUSH_PER_HOUR="6")
    world.alert(world.person(channels=(channel,)))
    sent = play_busy_desk(whole, frozen, 18, 300, 23)
    assert len(world.notifications()) == 18
    assert 6 <= len(sent) < 18
    assert most_in_an_hour(sent) <= 6
    assert sent[:2] == [sent[0], sent[0] + timedelta(seconds=300)]
    longest = max(later - earlier for earlier, later in pairwise(sent))
    assert longest <= HOUR / 3 + timedelta(seconds=600)


@pytest.mark.rule("6.7")
def test_what_is_held_back_says_so_and_leaves_as_one_message_of_open_slots(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(SMS_PER_SECOND="100", TWILIO_PHONE_NUMBER="+33162000000")
    world.alert(world.person(channels=(Channel.SMS,)))
    told = [slot for number in range(5) for slot in world.show(number)]
    world.sweep()
    first = clock()
    held = [slot for number in range(5, 11) for slot in world.show(number)]
    world.sweep()
    waiting = world.notifications(State.PENDING)
    assert [(row.held_for, row.attempts) for row in waiting] == [(HeldFor.CAP, 0)] * 6
    assert undelivered(clock()) == []
    world.gone(held[:1])
    frozen.shift(600)
    world.confirm(told + held)
    held += world.show(20)
    assert len(whole.messages("sms")) == 5
    frozen.shift(121)
    world.sweep()
    (expired,) = world.notifications(State.EXPIRED)
    assert expired.reason == "slots gone"
    assert len(world.notifications(State.SENT)) == 11
    (message,) = whole.messages("sms")[5:]
    assert "6 nouveaux créneaux depuis" in message.text
    assert clock() - first < timedelta(minutes=13)


def test_a_mail_of_a_burst_says_since_when(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(EMAIL_PER_HOUR="1")
    world.alert(world.person())
    seen = world.show(0)
    frozen.shift(60)
    since = clock()
    seen += world.show(1)
    frozen.shift(120)
    seen += world.show(2)
    for _ in range(4):
        frozen.shift(870)
        world.confirm(seen)
    world.sweep()
    text = whole.messages("email")[1].text
    assert f"2 nouveaux créneaux depuis {since.hour + 1} h {since.minute:02}" in text


@given(waits=st.lists(st.integers(0, 900), min_size=1, max_size=80), cap=st.integers(1, 12))
def test_no_hour_holds_more_than_the_cap_whenever_tokens_are_asked_for(waits: list[int], cap: int) -> None:
    now, sent, contact = world.MORNING, list[datetime](), new_id()
    for wait in waits:
        now += timedelta(seconds=wait)
        lately = [each for each in sent if each > now - HOUR]
        turns = {contact: claiming.CapCount(cap, len(lately), max(lately, default=None))}
        if claiming.take_cap_turn(turns, contact, now) <= now:
            sent.append(now)
    assert most_in_an_hour(sent) <= cap


def test_half_of_the_cap_leaves_at_once_and_then_one_per_interval(frozen: time_machine.Traveller) -> None:
    contact = world.person(channels=(Channel.SMS,)).contacts[Channel.SMS]
    assert [take(contact) for _ in range(6)] == [True] * 5 + [False]
    assert turns_of(contact) == [timedelta(minutes=12)]
    frozen.shift(720)
    assert [take(contact), take(contact)] == [True, False]
    frozen.shift(HOUR)
    assert [take(contact) for _ in range(6)] == [True] * 5 + [False]


def test_rows_that_left_as_one_message_count_once() -> None:
    contact = world.person(channels=(Channel.SMS,)).contacts[Channel.SMS]
    for _ in range(20):
        accept(contact, provider_id="one")
    assert turns_of(contact) == [timedelta(0)]


def test_what_is_under_way_or_may_have_arrived_counts(settings_env: Callable[..., None]) -> None:
    settings_env(SMS_PER_HOUR="3")
    first, second = (world.person(channels=(Channel.SMS,)).contacts[Channel.SMS] for _ in range(2))
    leased = {"lease_token": new_id(), "lease_until": clock() + timedelta(seconds=30)}
    accept(first, state=State.SENDING, accepted_at=None, **leased)
    accept(second, state=State.PENDING, accepted_at=None, unknown_attempts=1)
    assert turns_of(first, second) == [timedelta(minutes=30)] * 2


def test_a_clock_that_was_ahead_silences_nobody() -> None:
    contact = world.person(channels=(Channel.SMS,)).contacts[Channel.SMS]
    for minutes in range(10):
        accept(contact, accepted_at=clock() + timedelta(days=1, minutes=minutes))
    assert turns_of(contact) == [timedelta(0)]


def deliver_each(keys: list[UUID]) -> None:
    for key in keys:
        deliver(str(key))


@pytest.mark.rule("6.7")
def test_workers_that_claim_at_once_exceed_the_cap_by_one_at_most(
    whole: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(SMS_PER_HOUR="2")
    world.alert(world.person(channels=(Channel.SMS,)))
    keys = [
        key for number in range(6) for key in world.matched(world.detection(world.slots(place=str(number))))
    ]
    world.at_once(*(partial(deliver_each, keys[number::2]) for number in range(2)))
    assert len(whole.messages("sms")) <= 2


@pytest.mark.rule("6.7")
def test_what_the_provider_refuses_uses_nothing_up(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(EMAIL_PER_HOUR="1")
    world.alert(world.person())
    whole.provider_mode("email", "error_500", count=3)
    seen = world.show(0)
    for _ in range(4):
        frozen.shift(60)
        world.confirm(seen)
        world.sweep()
    assert [row.state for row in world.notifications()] == [State.SENT]


def test_other_messages_neither_wait_nor_count(whole: "Running", settings_env: Callable[..., None]) -> None:
    settings_env(EMAIL_PER_HOUR="1")
    who = world.person()
    world.alert(who)
    for number in range(3):
        with session() as opened:
            made = message_writer.create_notifications(
                opened, who.id, "account_exists", {}, f"exists:{number}", priority="immediate"
            )
        nudges.ask_deliver(made)
        deliver(*map(str, made))
    world.show(0)
    assert len(whole.messages("email")) == 4


def test_a_row_that_was_tried_keeps_its_reason_beside_the_cap(settings_env: Callable[..., None]) -> None:
    settings_env(SMS_PER_HOUR="1")
    world.alert(world.person(channels=(Channel.SMS,)))
    world.show(0)
    world.show(1)
    world.sweep()
    (row,) = world.notifications(State.PENDING)
    world.change(Notification, row.id, reason="HTTP 503")
    for _ in range(2):
        deliver(str(row.id))
        row = world.get(Notification, row.id)
        assert (row.reason, row.held_for) == ("HTTP 503", HeldFor.CAP)
    assert world.get(Notification, row.id).params["desk_id"] == world.DESK


@pytest.mark.journey
@pytest.mark.rule("6.7")
@pytest.mark.parametrize("apart", [60, 120, 180])
def test_no_channel_of_a_person_waits_for_the_turns_of_another(
    apart: int, whole: "Running", frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(SMS_PER_SECOND="100", TELEGRAM_PER_SECOND="100", TWILIO_PHONE_NUMBER="+33162000000")
    world.alert(world.person(channels=(Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)))
    seen = list[int]()
    for number in range(15):
        seen += world.show(number)
        for _ in range(apart // 10):
            frozen.shift(10)
            world.confirm(seen)
            world.sweep()
    waits: dict[Channel, list[float]] = {channel: [] for channel in Channel}
    for row in world.notifications(State.SENT, State.DELIVERED):
        assert row.accepted_at
        waits[row.channel].append((row.accepted_at - row.created_at).total_seconds())
    assert waits[Channel.EMAIL] == waits[Channel.TELEGRAM] == [0] * 15, "half of 30 at once"
    assert waits[Channel.SMS][:5] == [0] * 5, "half of 10 at once"
    assert max(waits[Channel.SMS]) <= 12 * 60 + 10, "then each 12 minutes with all that waits"


def test_browsers_and_other_contacts_have_turns_of_their_own(settings_env: Callable[..., None]) -> None:
    settings_env(EMAIL_PER_HOUR="1", SMS_PER_HOUR="1", PUSH_PER_HOUR="1")
    mail, sms, push = world.person(channels=(Channel.EMAIL, Channel.SMS, Channel.PUSH)).contacts.values()
    accept(push)
    accept(mail)
    assert turns_of(mail, sms, push) == [HOUR, timedelta(0), HOUR]


# The cost of SMS: on their rows, in a day's sum, and which messages the day's budget still allows


Put = Callable[..., None]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def waiting(*desks: str, channel: Channel = Channel.SMS) -> list[UUID]:
    """Write a slot alert of one person for each desk."""
    who = world.person(channels=(channel,))
    world.alert(who, *({"desk_id": desk_id} for desk_id in desks))
    opened = ((desk_id, world.slots(desk_id=desk_id)) for desk_id in desks)
    return [key for desk_id, ids in opened for key in world.matched(world.detection(ids, desk_id=desk_id))]


def spent(at: datetime) -> Decimal:
    with session() as opened:
        return sum_of_day(opened, at)


@pytest.mark.parametrize(
    ("number", "cost"), [("+33612345678", "0.16"), ("+32470123456", "0.2"), ("?", "0.16")]
)
def test_a_segment_costs_what_the_number_s_country_does(settings_env: Put, number: str, cost: str) -> None:
    settings_env(SMS_PRICE="0.08, be=0.10")
    assert find_price(Channel.SMS, number) * 2 == Decimal(cost)


def test_the_row_of_an_sms_has_its_segments_and_its_cost() -> None:
    (key,) = waiting(world.DESK)
    deliver(str(key))
    row = world.get(Notification, key)
    assert (row.segments, row.cost) == (1, Decimal("0.08"))


def test_an_sms_that_carries_two_alerts_is_paid_for_once(sandbox: "Running") -> None:
    keys = waiting(world.DESK, world.OTHER_DESK)
    deliver(*map(str, keys))
    (message,) = sandbox.messages()
    rows = sorted(world.notifications(State.SENT), key=lambda row: row.id)
    assert [row.provider_id for row in rows] == [message.provider_id] * 2
    assert [row.cost is None for row in rows] == [False, True]
    assert [row.segments is None for row in rows] == [False, True]


def test_the_sum_of_a_day_begins_at_midnight_utc(settings_env: Put) -> None:
    settings_env(SMS_PRICE="1")
    with time_machine.travel("2026-11-20T23:59:59Z", tick=False) as traveller:
        (key,) = waiting(world.DESK)
        deliver(str(key))
        assert spent(NOON) == 1
        traveller.move_to("2026-11-21T00:00:00Z")
        assert spent(datetime(2026, 11, 21, tzinfo=UTC)) == 0


@in_turn(
    "channel, cost, kind, priority, leaves",
    [
        (Channel.SMS, "9.99", "release_soon", Priority.BULK, True),
        (Channel.SMS, "10", "release_soon", Priority.BULK, False),
        (Channel.SMS, "14.99", "release_soon", Priority.SCHEDULED, True),
        (Channel.SMS, "15", "release_soon", Priority.SCHEDULED, False),
        (Channel.SMS, "99", "slot_detected", Priority.SCHEDULED, True),  # it waited for quiet hours to end
        (Channel.SMS, "99", "slot_detected", Priority.CRITICAL, True),
        (Channel.EMAIL, "99", "release_soon", Priority.BULK, True),
    ],
)
def test_bulk_stops_before_reminders_and_neither_a_slot_alert_nor_mail_ever_does(
    settings_env: Put,
    sandbox: "Running",
    *,
    channel: Channel,
    cost: str,
    kind: str,
    priority: Priority,
    leaves: bool,
) -> None:
    world.start_anew(sandbox)
    settings_env(SMS_DAY_STOP="10")
    with time_machine.travel(NOON, tick=False):
        (earlier,), (key,) = waiting(world.DESK), waiting(world.OTHER_DESK, channel=channel)
        deliver(str(earlier))
        world.change(Notification, earlier, cost=Decimal(cost))
        world.change(Notification, key, kind=kind, priority=priority)
        if kind == "release_soon":
            watched = next(desk.id for desk in desks().values() if desk.schedulable)
            release = {"desk": watched, "begins": (NOON + timedelta(hours=1)).isoformat(), "ends": None}
            world.change(Notification, key, params=release)
        deliver(str(key))
    assert len(sandbox.messages()) == 1 + leaves
    assert world.after(key) == ((State.SENT, None) if leaves else (State.SKIPPED, OVER_BUDGET))


def test_the_admins_are_told_once_a_day(settings_env: Put) -> None:
    settings_env(SMS_DAY_WARN="1", SMS_DAY_STOP="2", SMS_PRICE="0.999", SUPPORT_EMAIL="ops@example.org")
    with time_machine.travel(NOON, tick=False) as traveller:
        (first,) = waiting(world.DESK)
        deliver(str(first))
        assert jobs.tell_sms_cost() == {"mails": 0}
        world.change(Notification, first, cost=Decimal("1.5"))
        assert [jobs.tell_sms_cost()["mails"] for _ in range(2)] == [1, 0]
        traveller.move_to("2026-11-21T12:00:00Z")
        world.change(Notification, first, accepted_at=datetime(2026, 11, 21, 11, tzinfo=UTC))
        assert jobs.tell_sms_cost() == {"mails": 1}
        traveller.move_to("2026-11-22T12:00:00Z")
        world.change(Notification, first, accepted_at=None, cost=None, state=State.PENDING)
        who = world.person(channels=(Channel.SMS,), addresses={Channel.SMS: "+33612345679"})
        factories.add_message(who.id, channel=Channel.SMS, unknown_attempts=3)
        assert jobs.tell_sms_cost() == {"mails": 1}, "copies of unknown fate are warned of"
        assert world.in_one_transaction(sum_of_day, clock()) == 0, "they stop nothing"
    with session() as opened:
        kind = Notification.kind == "sms_cost"
        mail = opened.scalars(sa.select(Notification).where(kind).order_by(Notification.id)).first()
        assert mail is not None
        assert (mail.address, mail.params) == (
            "ops@example.org",
            {"spent": "1.50", "unsure": "0.00", "warn": "1.00", "stop": "2.00"},
        )
