"""Several slot alerts that wait for one contact leave as one message."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.models.base import session
from api.models.notification import HeldFor, Notification, State
from api.models.user import CONTACT_CHANNELS, Channel, User
from configs.ground.clock import clock
from notifier.content.message_kind_base import account_page
from notifier.content.sms_text import segments
from notifier.delivery import delivery
from notifier.jobs import deliver
from tests.in_turn import in_turn
from tests.notifier import world

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)
LABELS = {world.DESK: "Naturalisation", world.OTHER_DESK: "Titre de séjour"}


def waits(who: world.Person, desk_id: str, moment: object = world.MORNING) -> UUID:
    """Have one person wait for a desk that opens now; return the notification."""
    opened = world.slots([moment], desk_id=desk_id)  # type: ignore[list-item]
    seen = world.detection(opened, desk_id=desk_id, label=LABELS[desk_id])
    (made,) = world.matched(seen)
    return made


def two_desks(channel: Channel = Channel.EMAIL) -> list[UUID]:
    who = world.person(channels=(channel,))
    world.alert(who, {"desk_id": world.DESK}, {"desk_id": world.OTHER_DESK})
    return [waits(who, world.DESK), waits(who, world.OTHER_DESK)]


@pytest.mark.rule("3.4")
@in_turn("channel", ALL)
def test_what_waits_for_one_contact_leaves_as_one_message(channel: Channel, sandbox: "Running") -> None:
    world.start_anew(sandbox)
    keys = two_desks(channel)
    deliver(str(keys[1]))
    (message,) = sandbox.messages()
    rows = [world.get(Notification, key) for key in keys]
    assert [(row.state, row.attempts, row.provider_id) for row in rows] == [
        (world.ACCEPTED[channel], 1, message.provider_id)
    ] * 2
    assert message.custom["notification_ids"] == ",".join(map(str, sorted(keys)))
    deliver(str(keys[0]))
    assert len(sandbox.messages()) == 1


@in_turn("channel", [Channel.EMAIL, Channel.TELEGRAM])
def test_a_message_for_several_lists_every_desk_with_its_link(channel: Channel, sandbox: "Running") -> None:
    world.start_anew(sandbox)
    deliver(str(two_desks(channel)[0]))
    (message,) = sandbox.messages()
    text = message.html or ""
    assert "Créneaux détectés" in text
    assert all(label in text for label in LABELS.values())
    assert text.count("Réserver maintenant") == 2
    assert text.count("/l/stop.") == 1


def test_an_sms_names_each_place_and_link_and_cuts_no_link(sandbox: "Running") -> None:
    deliver(str(two_desks(Channel.SMS)[0]))
    (message,) = sandbox.messages("sms")
    assert message.text.count("Essonne (91)") == 2
    assert message.text.split().count("https://www.essonne.example/booking/create/23014") == 2


def test_one_of_several_whose_slot_is_missing_waits_alone(sandbox: "Running") -> None:
    who = world.person()
    world.alert(who, {"desk_id": world.DESK}, {"desk_id": world.OTHER_DESK})
    stays = waits(who, world.DESK)
    opened = world.slots([world.MORNING], desk_id=world.OTHER_DESK)
    (goes,) = world.matched(world.detection(opened, desk_id=world.OTHER_DESK))
    world.gone(opened)
    deliver(str(goes))
    assert world.get(Notification, goes).held_for is HeldFor.SLOTS
    assert world.get(Notification, stays).state is State.SENT
    assert "notification_ids" not in sandbox.messages("email")[0].custom


def test_a_failure_puts_all_back_each_with_its_own_attempts(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    who = world.person()
    world.alert(who, {"desk_id": world.DESK}, {"desk_id": world.OTHER_DESK})
    sandbox.provider_mode("email", "error_500", count=2)
    first = waits(who, world.DESK)
    deliver(str(first))
    frozen.shift(timedelta(seconds=5))
    second = waits(who, world.OTHER_DESK)
    deliver(str(second))
    rows = [world.get(Notification, key) for key in (first, second)]
    assert [(row.state, row.attempts) for row in rows] == [(State.PENDING, 2), (State.PENDING, 1)]
    assert [(row.next_attempt_at - clock()).seconds for row in rows] == [10, 5]
    frozen.shift(timedelta(seconds=10))
    deliver(str(first))
    assert [world.get(Notification, key).state for key in (first, second)] == [State.SENT] * 2
    assert len(sandbox.messages("email")) == 1


def test_what_may_not_be_tried_yet_is_not_taken_along(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    who = world.person()
    world.alert(who, {"desk_id": world.DESK}, {"desk_id": world.OTHER_DESK})
    sandbox.provider_mode("email", "rate_limited", seconds=40, count=1)
    early = waits(who, world.DESK)
    deliver(str(early))
    deliver(str(waits(who, world.OTHER_DESK)))
    assert world.get(Notification, early).state is State.PENDING
    assert len(sandbox.messages("email")) == 1


def test_other_people_and_other_languages_get_a_message_of_their_own(sandbox: "Running") -> None:
    who = world.person()
    world.alert(who, {"desk_id": world.DESK})
    world.alert(who, {"desk_id": world.OTHER_DESK}, language="en")
    world.alert(world.person(addresses={Channel.EMAIL: "else@example.org"}), {"desk_id": world.DESK})
    seen = world.detection()
    first, _ = world.matched(seen)
    waits(who, world.OTHER_DESK)
    deliver(str(first))
    assert len(sandbox.messages("email")) == 1
    assert len(world.notifications(State.PENDING)) == 2


def test_a_burst_at_one_desk_leaves_as_one_message_however_long(sandbox: "Running") -> None:
    who = world.person()
    world.alert(who)
    keys = [waits(who, world.DESK, world.MORNING + timedelta(hours=number)) for number in range(12)]
    deliver(str(keys[0]))
    (mail,) = sandbox.messages("email")
    assert len(mail.custom["notification_ids"].split(",")) == 12
    assert "12 créneaux ouverts" in mail.text
    assert len(world.notifications(State.SENT)) == 12


def test_workers_that_claim_at_once_share_and_lose_nothing(sandbox: "Running") -> None:
    who = world.person()
    world.alert(who, {"desk_id": world.DESK}, {"desk_id": world.OTHER_DESK})
    keys = [waits(who, world.DESK, world.MORNING + timedelta(hours=number)) for number in range(6)]
    claimed = list[UUID]()

    def claim(key: UUID) -> None:
        claimed.extend(row.id for message in delivery.claim([key]) for row in message.rows)

    world.at_once(*(partial(claim, key) for key in keys[:4]))
    assert len(claimed) == len(set(claimed))
    assert set(keys[:4]) <= set(claimed)


# Shared contents of a part's messages


def mails(whole: "Running", *wishes: tuple[str | None, str, dict[str, Any]]) -> list[str]:
    """Let a person each wait with a name of the alert, a language and limits; return their mails of two mornings."""
    addresses = [f"p{number}@example.org" for number, _ in enumerate(wishes)]
    for address, (name, language, limits) in zip(addresses, wishes, strict=True):
        who = world.person(addresses={Channel.EMAIL: address})
        with session() as opened:
            opened.execute(sa.update(User).where(User.id == who.id).values(language=language))
        world.alert(who, {"desk_id": world.DESK, **limits}, name=name)
    world.match(str(world.detection(world.slots([world.MORNING, world.MORNING + timedelta(days=1)]))))
    found = {mail.to: mail.text for mail in whole.messages("email")}
    return [found[address] for address in addresses]


def test_each_reads_the_name_of_their_own_alert_their_language_and_their_slots(whole: "Running") -> None:
    first, second = world.MORNING.date(), world.MORNING.date() + timedelta(days=1)
    wishes: list[tuple[str | None, str, dict[str, Any]]] = [
        ("Karim", "fr", {}), ("Divorce", "en", {}), (None, "en", {"date_to": first}), (None, "en", {"date_from": second}),
    ]  # fmt: skip
    texts = mails(whole, *wishes)
    assert [[name for name in ("Karim", "Divorce") if name in text] for text in texts] == [
        ["Karim"],
        ["Divorce"],
        [],
        [],
    ]
    days = [text.split("Seen on")[0] for text in texts]  # which is today
    assert [[each for each in ("novembre", "November 26", "November 27") if each in text] for text in days] == [
        ["novembre"], ["November 26"], ["November 26"], ["November 27"],
    ]  # fmt: skip
    assert "2 open slots" in texts[1]


# The message that says how many alerts the hourly cap holds back

Put = Callable[..., None]


def open_slots(first: int, count: int) -> list[int]:
    """Show so many slots of a desk, one after the other; deliver what may leave; return the slots."""
    opened = [slot for number in range(first, first + count) for slot in world.show(number)]
    world.sweep()
    return opened


def notices(*states: State) -> list[Notification]:
    return [row for row in world.notifications(*states) if row.kind == "more_messages"]


@pytest.mark.journey
@in_turn("channel", CONTACT_CHANNELS)
def test_one_message_says_how_many_more_wait_and_where_they_are_shown(
    channel: Channel, whole: "Running", frozen: time_machine.Traveller, settings_env: Put
) -> None:
    world.start_anew(whole)
    settings_env(EMAIL_PER_HOUR="2", SMS_PER_HOUR="2", TELEGRAM_PER_HOUR="2", PUSH_PER_HOUR="2")
    world.alert(world.person(channels=(channel,)))
    open_slots(0, 5)
    assert len(whole.messages(channel.value)) == 1
    (waiting,) = notices(State.PENDING)
    assert (waiting.channel, waiting.language) == (channel, "fr")
    frozen.shift(31)
    world.sweep()
    _, message = whole.messages(channel.value)
    assert "4 autres alertes attendent" in f"{message.subject} {message.text}"
    shown = [button.url for button in message.draft.buttons] or message.text.split()
    if channel is Channel.PUSH:
        shown = [json.loads(message.custom["payload"])["url"]]
    assert account_page("messages") in shown
    assert channel is not Channel.SMS or segments(message.text) == 1


def test_a_person_is_told_once_an_hour_on_one_channel_of_what_waits_on_all(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Put
) -> None:
    settings_env(EMAIL_PER_HOUR="1", SMS_PER_HOUR="1", TELEGRAM_PER_HOUR="1")
    who = world.person(channels=ALL)
    world.change(User, who.id, language="en")
    world.alert(who)
    frozen.move_to(clock().replace(minute=0, second=5))
    open_slots(0, 3)
    assert len(whole.messages()) == 3
    for number in range(3, 7):
        frozen.shift(60)
        open_slots(number, 1)
    (told,) = notices()
    assert (told.state, told.language) in ((State.SENT, "en"), (State.DELIVERED, "en"))
    assert "3 more alerts are waiting" in str([each.text for each in whole.messages()])
    frozen.shift(timedelta(minutes=57))
    open_slots(20, 3)
    assert len(notices()) == 2


def test_nothing_is_said_of_alerts_that_another_channel_told(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Put
) -> None:
    settings_env(SMS_PER_HOUR="1")
    world.alert(world.person(channels=(Channel.SMS, Channel.TELEGRAM)))
    open_slots(0, 3)
    frozen.shift(31)
    world.sweep()
    assert notices() == []
    assert [len(whole.messages(each)) for each in ("sms", "telegram")] == [1, 3]


def test_nothing_is_said_where_what_waited_has_left_or_is_gone(
    whole: "Running", frozen: time_machine.Traveller, settings_env: Put
) -> None:
    settings_env(EMAIL_PER_HOUR="1")
    who = world.person()
    world.alert(who)
    open_slots(0, 2)
    (told,) = world.notifications(State.SENT)
    world.change(Notification, told.id, accepted_at=clock() - timedelta(hours=1))
    (waiting,) = [row for row in world.notifications(State.PENDING) if row.kind == "slot_detected"]
    world.change(Notification, waiting.id, next_attempt_at=clock())
    deliver(str(waiting.id))
    frozen.shift(31)
    world.sweep()
    (row,) = notices()
    assert (row.state, row.reason) == (State.EXPIRED, "nothing waits any more")
    assert len(whole.messages()) == 2
