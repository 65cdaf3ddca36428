"""No contact is sent more slot alerts in an hour than its cap; what waits leaves as one message."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
import redis
import sqlalchemy as sa
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from api.models.base import new_id, session
from api.models.notification import Notification, NotificationMatch, State
from api.models.slot import SlotRow
from api.models.user import CONTACT_CHANNELS, Channel, Contact, User
from configs.clock import clock
from notifier import held_notices, hourly_cap, notification_writer, nudges
from notifier.delivery import slow_channels
from notifier.delivery.delivery import claim, hand_over
from notifier.jobs import deliver, match
from notifier.match_service import match_detection
from notifier.sweep import undelivered
from tests.notifier.world import (
    DESK,
    MORNING,
    alert,
    change,
    confirm,
    detection,
    get,
    gone,
    in_one_transaction,
    notifications,
    person,
    slots,
)  # fmt: skip
from tests.samples import try_first

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
# The worker that matches sends by these itself.
SENT_BY_MATCHING = tuple(each for each in CONTACT_CHANNELS if each is not Channel.PUSH)
CAPS = {Channel.EMAIL: 30, Channel.TELEGRAM: 30, Channel.SMS: 10}
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _only_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no message that says how many more wait, and let no busy machine count as a slow channel."""
    monkeypatch.setattr(held_notices, "write_notices", lambda *_: None)
    monkeypatch.setattr(slow_channels, "_SLOW_SECONDS", 60.0)


def open_slot(number: int) -> list[int]:
    """Show one more slot of a desk and match it; return the slot."""
    opened = slots([MORNING + timedelta(minutes=number)], place=str(number))
    match(str(detection(opened)))
    return opened


def sweep() -> None:
    """Deliver what the sweep would have delivered."""
    for each in undelivered(clock()):
        deliver(str(each.id))


def take(contact: UUID) -> bool:
    return bool(in_one_transaction(hourly_cap.take_turns, [contact], clock()))


def most_in_an_hour(instants: list[datetime]) -> int:
    return max(sum(timedelta(0) <= other - one < HOUR for other in instants) for one in instants)


def test_any_hour_holds_the_cap_of_its_channel() -> None:
    for channel, cap in CAPS.items():
        bucket = hourly_cap.bucket_of(channel)
        assert bucket.burst + HOUR / bucket.refill == cap


@pytest.mark.rule("6.7")
@pytest.mark.parametrize("channel", try_first(SENT_BY_MATCHING, 1))
def test_a_busy_desk_tells_everything_within_the_cap(
    channel: Channel,
    whole: "Running",
    frozen: time_machine.Traveller,
    settings_env: Callable[..., None],
) -> None:
    settings_env(EMAIL_PER_HOUR="6", SMS_PER_HOUR="6", TELEGRAM_PER_HOUR="6")
    alert(person(channels=(channel,)))
    seen: list[int] = []
    sent: list[datetime] = []
    for number in range(18):
        confirm(seen)
        seen += open_slot(number)
        sweep()
        sent += [clock()] * (len(whole.messages(channel.value)) - len(sent))
        frozen.shift(300)
    assert 6 <= len(sent) < 18
    assert most_in_an_hour(sent) <= 6
    assert sent[:2] == [sent[0], sent[0] + timedelta(seconds=300)]
    for _ in range(5):
        confirm(seen)
        sweep()
        frozen.shift(300)
    assert len(notifications(State.SENT, State.DELIVERED)) == 18
    longest = max(later - earlier for earlier, later in pairwise(sent))
    assert longest <= hourly_cap.bucket_of(channel).refill + timedelta(seconds=600)


@pytest.mark.rule("6.7")
def test_what_is_held_back_says_so_and_leaves_as_one_message_of_open_slots(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(SMS_PER_SECOND="100", TWILIO_PHONE_NUMBER="+33162000000")
    alert(person(channels=(Channel.SMS,)))
    told = [slot for number in range(5) for slot in open_slot(number)]
    sweep()
    first = clock()
    held = [slot for number in range(5, 19) for slot in open_slot(number)]
    sweep()
    waiting = notifications(State.PENDING)
    assert [(row.reason, row.attempts) for row in waiting] == [("hourly cap", 0)] * 14
    assert undelivered(clock()) == []
    gone(held[:1])
    frozen.shift(600)
    confirm(told + held)
    held += open_slot(20)
    assert len(whole.messages("sms")) == 5
    frozen.shift(121)
    sweep()
    (expired,) = notifications(State.EXPIRED)
    assert expired.reason == "slots gone"
    assert len(notifications(State.SENT)) == 19
    (message,) = whole.messages("sms")[5:]
    assert "14 nouveaux créneaux depuis" in message.text
    assert clock() - first < timedelta(minutes=13)


def copy(key: UUID, times: int) -> list[UUID]:
    """Write more notifications like one, of the same match."""
    made = [new_id() for _ in range(times)]
    with session() as opened:
        row = opened.execute(sa.select(Notification.__table__).where(Notification.id == key)).mappings().one()
        match_id = opened.scalar(
            sa.select(NotificationMatch.match_id).where(NotificationMatch.notification_id == key)
        )
        opened.execute(
            sa.insert(Notification), [{**row, "id": each, "dedupe_key": str(each)} for each in made]
        )
        joined = [{"notification_id": each, "match_id": match_id} for each in made]
        opened.execute(sa.insert(NotificationMatch), joined)
    return made


@pytest.mark.rule("6.7")
def test_what_is_held_back_takes_no_turn_of_the_provider(
    whole: "Running",
    redis_server: redis.Redis,
    frozen: time_machine.Traveller,
    settings_env: Callable[..., None],
) -> None:
    settings_env(SMS_PER_HOUR="1")
    alert(person(channels=(Channel.SMS,)))
    open_slot(0)
    (key,) = in_one_transaction(match_detection, detection(slots(place="2")), clock())
    held = [key, *copy(key, 49)]
    for each in held[::4]:  # each claims what else waits for its contact
        deliver(str(each))
    assert int(redis_server.get("notifier:rate:sms") or 0) <= 1  # it lasts a second
    frozen.shift(HOUR + timedelta(seconds=1))
    with session() as opened:
        opened.execute(sa.update(SlotRow).values(seen_at=clock()))
    (waking,) = undelivered(clock())
    deliver(str(waking.id))
    assert int(redis_server.get("notifier:rate:sms") or 0) <= 2
    assert len(whole.messages("sms")) == 2
    assert notifications(State.PENDING) == []


def test_a_mail_of_a_burst_says_since_when(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(EMAIL_PER_HOUR="1")
    alert(person())
    seen = open_slot(0)
    frozen.shift(60)
    since = clock()
    seen += open_slot(1)
    frozen.shift(120)
    seen += open_slot(2)
    for _ in range(4):
        frozen.shift(870)
        confirm(seen)
    sweep()
    text = whole.messages("email")[1].text
    assert f"2 nouveaux créneaux depuis {since.hour + 1} h {since.minute:02}" in text


@given(waits=st.lists(st.integers(0, 900), min_size=1, max_size=80), cap=st.integers(1, 12))
def test_no_hour_holds_more_than_the_cap_whenever_tokens_are_asked_for(waits: list[int], cap: int) -> None:
    bucket = hourly_cap.AlertBudget.of(cap)
    now, full_at, sent = MORNING, MORNING, list[datetime]()
    for wait in waits:
        now += timedelta(seconds=wait)
        if full_at <= now + bucket.span - bucket.refill:  # as take_turns decides
            full_at = max(full_at, now) + bucket.refill
            sent.append(now)
    assert most_in_an_hour(sent) <= cap


def test_the_table_takes_and_returns_tokens_as_the_bucket_says(frozen: time_machine.Traveller) -> None:
    contact = person(channels=(Channel.SMS,)).contacts[Channel.SMS]
    assert [take(contact) for _ in range(6)] == [True] * 5 + [False]
    in_one_transaction(hourly_cap.give_back, [contact])
    assert [take(contact), take(contact)] == [True, False]
    frozen.shift(720)
    assert [take(contact), take(contact)] == [True, False]


def test_a_clock_that_was_ahead_silences_nobody(frozen: time_machine.Traveller) -> None:
    contact = person(channels=(Channel.SMS,)).contacts[Channel.SMS]
    change(Contact, contact, alert_budget_full_at=clock() + timedelta(days=1))
    assert [take(contact) for _ in range(6)] == [True] * 5 + [False]
    frozen.shift(720)
    assert take(contact)


@pytest.mark.rule("6.7")
def test_workers_that_ask_at_once_share_the_cap() -> None:
    contact = person(channels=(Channel.SMS,)).contacts[Channel.SMS]
    start, granted = threading.Barrier(8), list[bool]()

    def work() -> None:
        start.wait()
        granted.extend(take(contact) for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(granted), sum(granted)) == (24, 5)


@pytest.mark.rule("6.7")
def test_what_the_provider_refuses_uses_nothing_up(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(EMAIL_PER_HOUR="1")
    alert(person())
    whole.provider_mode("email", "error_500", count=3)
    seen = open_slot(0)
    for _ in range(4):
        frozen.shift(60)
        confirm(seen)
        sweep()
    assert [row.state for row in notifications()] == [State.SENT]


def test_a_worker_that_lost_its_lease_gives_no_turn_back(whole: "Running") -> None:
    who = person()
    alert(who)
    (key,) = in_one_transaction(match_detection, detection(slots()), clock())
    messages = claim([key])
    taken = get(Contact, who.contacts[Channel.EMAIL]).alert_budget_full_at
    assert taken is not None
    change(Notification, key, lease_token=uuid4())
    whole.provider_mode("email", "error_500")
    hand_over(messages)
    assert get(Contact, who.contacts[Channel.EMAIL]).alert_budget_full_at == taken


def test_other_messages_neither_wait_nor_count(whole: "Running", settings_env: Callable[..., None]) -> None:
    settings_env(EMAIL_PER_HOUR="1")
    who = person()
    alert(who)
    for number in range(3):
        with session() as opened:
            made = notification_writer.create_notifications(
                opened, who.id, "account_exists", {}, f"exists:{number}", priority="immediate"
            )
        nudges.nudge(made)
        deliver(*map(str, made))
    open_slot(0)
    assert len(whole.messages("email")) == 4


def test_a_row_that_was_tried_keeps_its_reason_beside_the_cap(settings_env: Callable[..., None]) -> None:
    settings_env(SMS_PER_HOUR="1")
    alert(person(channels=(Channel.SMS,)))
    open_slot(0)
    open_slot(1)
    sweep()
    (row,) = notifications(State.PENDING)
    change(Notification, row.id, reason="HTTP 503")
    for _ in range(2):
        deliver(str(row.id))
        assert get(Notification, row.id).reason == "HTTP 503; hourly cap"
    assert get(Notification, row.id).params["desk_id"] == DESK


ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)


@pytest.mark.rule("6.7")
def test_a_person_is_sent_no_more_than_the_cap_by_all_channels_and_is_told_everything(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(USER_PER_HOUR="6")
    alert(person(channels=ALL))
    seen: list[int] = []
    sent: list[datetime] = []
    for number in range(20):
        confirm(seen)
        seen += open_slot(number) if number < 8 else []
        sweep()
        sent += [clock()] * (len(whole.messages()) - len(sent))
        frozen.shift(600)
    assert len(sent) >= 8
    assert most_in_an_hour(sent) <= 6
    assert {row.state for row in notifications()} == {State.SENT, State.DELIVERED}


def test_what_a_persons_cap_holds_back_is_asked_for_when_it_may_leave(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(USER_PER_HOUR="1")
    alert(person(channels=ALL))
    open_slot(0)
    deliver(*(str(row.id) for row in notifications(State.PENDING)))
    waiting = notifications(State.PENDING)
    assert [row.reason for row in waiting] == ["hourly cap"] * 2
    assert min(row.next_nudge_at for row in waiting) == clock() + HOUR + timedelta(milliseconds=1)


def test_workers_that_ask_at_the_same_time_share_a_persons_cap(settings_env: Callable[..., None]) -> None:
    settings_env(USER_PER_HOUR="20")
    contacts, now = [*person(channels=ALL).contacts.values()], clock()
    start, granted = threading.Barrier(10), list[UUID]()

    def ask() -> None:
        start.wait()
        for number in range(6):
            mine = contacts if number % 2 else contacts[::-1]
            granted.extend(in_one_transaction(hourly_cap.take_turns, mine[: 1 + number % 3], now))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(granted) == 10
    taken = {name: granted.count(each) for name, each in zip(ALL, contacts, strict=True)}
    assert taken[Channel.SMS] <= hourly_cap.bucket_of(Channel.SMS).burst


def test_a_turn_that_is_given_back_is_the_persons_too(settings_env: Callable[..., None]) -> None:
    settings_env(USER_PER_HOUR="1")
    who = person(channels=ALL)
    mail, sms, _ = who.contacts.values()
    assert take(mail)
    assert not take(sms)
    in_one_transaction(hourly_cap.give_back, [mail])
    assert take(sms)


def test_a_persons_cap_leaves_the_contacts_turn_that_it_refuses(settings_env: Callable[..., None]) -> None:
    settings_env(USER_PER_HOUR="1")
    who = person(channels=ALL)
    mail, sms, _ = who.contacts.values()
    assert in_one_transaction(hourly_cap.take_turns, [mail, sms], clock()) in ({mail}, {sms})
    budgets = [get(Contact, each).alert_budget_full_at for each in (mail, sms)]
    assert sorted(each is None or each <= clock() for each in budgets) == [False, True]


def test_a_persons_budget_of_a_clock_that_was_ahead_holds_nothing_back() -> None:
    who = person(channels=ALL)
    change(User, who.id, alert_budget_full_at=clock() + timedelta(days=1))
    assert all(take(each) for each in who.contacts.values())


def test_who_has_one_contact_meets_its_cap_only(settings_env: Callable[..., None]) -> None:
    settings_env(USER_PER_HOUR="1")
    (mail,) = person().contacts.values()
    assert take(mail)
    assert take(mail)
