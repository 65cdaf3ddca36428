"""Messages that are rendered again: what they said then, and nothing that opens an account."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine

import notifier
from api.models.alert import Alert, ClosedBecause
from api.models.base import new_id, session
from api.models.incident import Incident, IncidentReason
from api.models.notification import Notification, Priority, State
from api.models.user import CONTACT_CHANNELS, Channel, Contact, ContactState
from configs.clock import clock
from configs.encryption import encrypt
from configs.retention import MESSAGES_KEPT_FOR
from notifier import RestoredMessage
from notifier.delivery.claiming import claim
from notifier.delivery.delivery import Renderer
from notifier.message_kinds import kinds
from tests.notifier.world import (
    DESK,
    Person,
    alert,
    change,
    detection,
    gone,
    matched,
    notifications,
    person,
    slots,
)

pytestmark = pytest.mark.usefixtures("database")
SIGNED = re.compile(r"https?://\S+/l/\w[\w-]*/\S+")


def render(*rows: Notification) -> list[RestoredMessage]:
    """Render rows again as the API does, in their order."""
    with session() as s:
        found = notifier.render(s, rows)
    return [found[row.id] for row in rows]


def write(who: Person, kind: str, by: Channel = Channel.EMAIL, **params: Any) -> Notification:
    """Write a message that left."""
    now = clock()
    row = Notification(
        id=new_id(), user_id=who.id, contact_id=who.contacts[by], channel=by, kind=kind, language="fr",
        params=params, priority=Priority.IMMEDIATE, dedupe_key=str(uuid4()), state=State.SENT, accepted_at=now,
        created_at=now, next_attempt_at=now, next_nudge_at=now,
    )  # fmt: skip
    with session() as s:
        s.add(row)
    return row


def send_all() -> dict[Channel, str]:
    """Claim what waits, and return the texts that leave by each channel."""
    with session() as s:
        claimed = claim(s, [row.id for row in notifications()], clock())
        outgoing = {each.first.channel: Renderer().render(each).filled for each in claimed.messages}
    return {
        channel: each.html if channel is Channel.TELEGRAM else each.text for channel, each in outgoing.items()
    }


def test_a_slot_alert_says_again_what_it_said() -> None:
    who = person(channels=CONTACT_CHANNELS)
    waiting, opened = alert(who, name="Naturalisation de maman"), slots()
    matched(detection(opened))
    left = send_all()
    gone(opened)
    change(Alert, waiting, closed_at=clock(), closed_because=ClosedBecause.FOUND, enabled=False)
    for contact in who.contacts.values():
        change(Contact, contact, state=ContactState.BLOCKED, enabled=False)
    rows = notifications()
    restored = {row.channel: each for row, each in zip(rows, render(*rows), strict=True)}
    assert set(restored) == set(CONTACT_CHANNELS)
    assert {each.title for each in restored.values()} == {"Créneau détecté – Essonne (91)"}
    mail, sms, chat = (restored[each].text or "" for each in (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM))
    assert mail == SIGNED.sub("[…]", left[Channel.EMAIL])
    assert "[…]" in mail
    assert sms.startswith("RDVPriority : 1 créneau ouvert, Essonne (91), le 26/11 à 09:30.")
    assert "Naturalisation <b>&" in chat, "the desk's label as it is read, without the markup around it"
    assert "<tg-spoiler>" not in chat


def test_a_message_names_its_own_slots_only() -> None:
    who = person()
    alert(who)
    matched(detection(slots(["2026-12-01", "2026-12-02"])))
    matched(detection(slots(["2026-12-09"])))
    first, second = (each.text or "" for each in render(*notifications()))
    assert ("2 créneaux ouverts" in first, "1er décembre 2026" in first) == (True, True)
    assert ("1 créneau ouvert" in second, "9 décembre 2026" in second) == (True, True)


def test_an_alert_that_was_deleted_takes_the_text_with_it() -> None:
    who = person()
    waiting = alert(who)
    matched(detection())
    with session() as s:
        s.delete(s.get_one(Alert, waiting))
    assert render(*notifications()) == [RestoredMessage("unavailable", "Créneau détecté – Essonne (91)")]


def test_an_alert_that_was_held_back_before_it_had_a_text_says_where_it_was() -> None:
    row = write(person(), "slot_detected", desk_id=DESK)
    assert render(row) == [RestoredMessage("unavailable", "Créneau détecté – Essonne (91)")]
    assert render(write(person(), "slot_detected", desk_id=7)) == [RestoredMessage("unavailable", None)]


@pytest.mark.parametrize("kind", ["password_reset", "verify_email", "verify_new_email", "phone_code"])
def test_a_link_or_a_code_is_never_shown_again(kind: str) -> None:
    channel = Channel.SMS if kind == "phone_code" else Channel.EMAIL
    who = person(channels=(channel,), verified=False)
    row = write(who, kind, channel, code=encrypt("123456"), code_id=str(uuid4()))
    (found,) = render(row)
    assert (found.content, found.text) == ("secret", None)
    assert (found.title is None) is (kind == "phone_code")
    assert "123456" not in str(found)


def test_every_kind_whose_text_is_a_secret_says_so() -> None:
    """A kind that signs a link for its reader, or decrypts a code, is secret, or its links are withheld."""
    assert {name for name, kind in kinds().items() if kind.is_secret} == {
        "password_reset", "verify_email", "verify_new_email", "phone_code", "address_changed",
    }  # fmt: skip


def test_links_that_act_for_their_reader_are_withheld() -> None:
    who = person()
    row = write(who, "last_way_stopped", at=clock().isoformat(), alerts=[str(alert(who))])
    (found,) = render(row)
    assert (found.content, "[…]" in (found.text or "")) == ("shown", True)
    assert not SIGNED.search(found.text or "")


def test_texts_are_shown_for_as_long_as_they_are_kept(frozen: time_machine.Traveller) -> None:
    who = person()
    row = write(who, "support_received", number=7)
    frozen.shift(MESSAGES_KEPT_FOR() - timedelta(minutes=1))
    assert [each.content for each in render(row)] == ["shown"]
    frozen.shift(timedelta(minutes=1))
    assert render(row) == [RestoredMessage("erased", None)]


def test_what_is_over_by_now_is_shown_all_the_same() -> None:
    who = person()
    with session() as s:
        over = Incident(
            subject="x",
            reason=IncidentReason.MAINTENANCE,
            starts_at=clock(),
            seen_at=clock(),
            ends_at=clock(),
        )
        s.add(over)
        s.flush()
        told: dict[str, Any] = {"incident": str(over.id), "reason": "maintenance", "desks": []}
    closed = alert(who, closed_at=clock(), closed_because=ClosedBecause.FOUND, enabled=False)
    told["since"] = clock().isoformat()
    rows = [
        write(who, "desk_unwatched", **told),
        write(who, "desk_watched", **told),
        write(who, "desk_watchable", alert=str(closed), desks=[]),
        write(who, "test_message", alert=str(closed)),
    ]
    assert [each.content for each in render(*rows)] == ["shown"] * 4


def test_one_row_that_cannot_be_read_hides_no_other() -> None:
    who = person()
    alert(who)
    rows = [
        write(who, "support_received"),
        write(who, "support_received", number=8),
        write(who, "alerts_paused", prefectures="nothing of the sort", count=1),
        write(who, "horoscope"),
        write(who, "refunded", refund="no id"),
    ]
    found = render(*rows)
    assert [each.content for each in found] == [
        "unavailable",
        "shown",
        "unavailable",
        "unavailable",
        "unavailable",
    ]
    assert "8" in (found[1].text or "")


def test_an_operator_who_is_none_any_more_reads_no_request_again() -> None:
    row = write(person(), "sms_cost", spent=1, warn=1, stop=2)
    assert render(row)[0].content == "unavailable"
