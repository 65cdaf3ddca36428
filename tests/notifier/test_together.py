"""Several slot alerts that wait for one contact leave as one message."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import time_machine

from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from notifier.delivery import delivery
from notifier.jobs import deliver
from tests.notifier.world import (
    ACCEPTED,
    DESK,
    MORNING,
    OTHER_DESK,
    Person,
    alert,
    detection,
    get,
    gone,
    matched,
    notifications,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)
LABELS = {DESK: "Naturalisation", OTHER_DESK: "Titre de séjour"}


def waits(who: Person, desk_id: str, moment: object = MORNING) -> UUID:
    """Have one person wait for a desk that opens now; return the notification."""
    opened = slots([moment], desk_id=desk_id)  # type: ignore[list-item]
    seen = detection(opened, desk_id=desk_id, label=LABELS[desk_id])
    (made,) = matched(seen)
    return made


def two_desks(channel: Channel = Channel.EMAIL) -> list[UUID]:
    who = person(channels=(channel,))
    alert(who, {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    return [waits(who, DESK), waits(who, OTHER_DESK)]


@pytest.mark.rule("3.4")
@pytest.mark.parametrize("channel", ALL)
def test_what_waits_for_one_contact_leaves_as_one_message(channel: Channel, sandbox: "Running") -> None:
    keys = two_desks(channel)
    deliver(str(keys[1]))
    (message,) = sandbox.messages()
    rows = [get(Notification, key) for key in keys]
    assert [(row.state, row.attempts, row.provider_id) for row in rows] == [
        (ACCEPTED[channel], 1, message.provider_id)
    ] * 2
    assert message.custom["notification_ids"] == ",".join(map(str, sorted(keys)))
    deliver(str(keys[0]))
    assert len(sandbox.messages()) == 1


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.TELEGRAM])
def test_a_message_for_several_lists_every_desk_with_its_link(channel: Channel, sandbox: "Running") -> None:
    deliver(str(two_desks(channel)[0]))
    (message,) = sandbox.messages()
    text = message.html or ""
    assert "Créneaux détectés" in text
    assert all(label in text for label in LABELS.values())
    assert text.count("Réserver maintenant") == 2
    assert text.count("/l/stop.") == 1


def test_slots_of_one_desk_that_were_seen_by_two_checks_are_counted_together(sandbox: "Running") -> None:
    who = person()
    alert(who)
    waits(who, DESK)
    last = waits(who, DESK, MORNING - timedelta(hours=1))
    deliver(str(last))
    (mail,) = sandbox.messages("email")
    assert str(mail.draft.subject).endswith("Essonne (91)")
    assert "2 créneaux ouverts" in mail.text
    assert "08:30" in mail.text


def test_an_sms_names_each_place_and_link_and_cuts_no_link(sandbox: "Running") -> None:
    deliver(str(two_desks(Channel.SMS)[0]))
    (message,) = sandbox.messages("sms")
    assert message.text.count("Essonne (91)") == 2
    assert message.text.split().count("https://www.essonne.example/booking/create/23014") == 2


def test_one_of_several_that_has_expired_ends_alone(sandbox: "Running") -> None:
    who = person()
    alert(who, {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    stays = waits(who, DESK)
    opened = slots([MORNING], desk_id=OTHER_DESK)
    (goes,) = matched(detection(opened, desk_id=OTHER_DESK))
    gone(opened)
    deliver(str(goes))
    assert get(Notification, goes).state is State.EXPIRED
    assert get(Notification, stays).state is State.SENT
    assert "notification_ids" not in sandbox.messages("email")[0].custom


def test_a_failure_puts_all_back_each_with_its_own_attempts(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    who = person()
    alert(who, {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    sandbox.provider_mode("email", "error_500", count=2)
    first = waits(who, DESK)
    deliver(str(first))
    frozen.shift(timedelta(seconds=5))
    second = waits(who, OTHER_DESK)
    deliver(str(second))
    rows = [get(Notification, key) for key in (first, second)]
    assert [(row.state, row.attempts) for row in rows] == [(State.PENDING, 2), (State.PENDING, 1)]
    assert [(row.next_attempt_at - clock()).seconds for row in rows] == [10, 5]
    frozen.shift(timedelta(seconds=10))
    deliver(str(first))
    assert [get(Notification, key).state for key in (first, second)] == [State.SENT] * 2
    assert len(sandbox.messages("email")) == 1


def test_what_may_not_be_tried_yet_is_not_taken_along(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    who = person()
    alert(who, {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    sandbox.provider_mode("email", "rate_limited", seconds=60, count=1)
    early = waits(who, DESK)
    deliver(str(early))
    deliver(str(waits(who, OTHER_DESK)))
    assert get(Notification, early).state is State.PENDING
    assert len(sandbox.messages("email")) == 1


def test_other_people_and_other_languages_get_a_message_of_their_own(sandbox: "Running") -> None:
    who = person()
    alert(who, {"desk_id": DESK})
    alert(who, {"desk_id": OTHER_DESK}, language="en")
    alert(person(addresses={Channel.EMAIL: "else@example.org"}), {"desk_id": DESK})
    seen = detection()
    first, _ = matched(seen)
    waits(who, OTHER_DESK)
    deliver(str(first))
    assert len(sandbox.messages("email")) == 1
    assert len(notifications(State.PENDING)) == 2


def test_a_burst_at_one_desk_leaves_as_one_message_however_long(sandbox: "Running") -> None:
    who = person()
    alert(who)
    keys = [waits(who, DESK, MORNING + timedelta(hours=number)) for number in range(12)]
    deliver(str(keys[0]))
    (mail,) = sandbox.messages("email")
    assert len(mail.custom["notification_ids"].split(",")) == 12
    assert "12 créneaux ouverts" in mail.text
    assert len(notifications(State.SENT)) == 12


def test_workers_that_claim_at_once_share_and_lose_nothing(sandbox: "Running") -> None:
    who = person()
    alert(who, {"desk_id": DESK}, {"desk_id": OTHER_DESK})
    keys = [waits(who, DESK, MORNING + timedelta(hours=number)) for number in range(6)]
    start, claimed = threading.Barrier(4), list[UUID]()

    def work(key: UUID) -> Callable[[], None]:
        def claim() -> None:
            start.wait()
            claimed.extend(row.id for message in delivery.claim([key]) for row in message.rows)

        return claim

    threads = [threading.Thread(target=work(key)) for key in keys[:4]]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(claimed) == len(set(claimed))
    assert set(keys[:4]) <= set(claimed)
