"""Texts that rows keep of their messages, and notices: what was sent, and nothing that opens an account."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

import notifier
from api.models.alert import Alert
from api.models.base import new_id, session
from api.models.notification import Notice, Notification, Priority, State
from api.models.user import CONTACT_CHANNELS, Channel, User
from configs.ground.clock import clock
from configs.ground.signing import write_address
from notifier import jobs
from notifier.channels.provider_base import OutcomeUnknown, PermanentError, TemporaryError
from notifier.content.message_kind_base import ClaimedRow, TemplateContext
from notifier.content.messages import speaks
from notifier.delivery import delivery, message_writer, nudges
from notifier.delivery.claiming import ClaimedMessage
from notifier.delivery.message_writer import create_notifications
from notifier.jobs import deliver
from notifier.matching import notification_writer
from notifier.message_kinds import kinds
from tests.in_turn import in_turn
from tests.notifier import world
from tests.notifier.content.message_samples import SampleSize, list_samples

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")
TOKEN = "stop.eyJhIjoxfQ.c2lnbmVk.dG9rZW4"
SIGNED = re.compile(r"https?://\S+/l/\w[\w-]*\.\S+")
SECRET = {
    "password_reset", "verify_email", "verify_new_email", "phone_code", "address_changed", "telegram_linked", "operations",
    "help_invitation", "help_link", "help_ends",
}  # fmt: skip
WAYS = [*CONTACT_CHANNELS, Channel.VOICE]


def read_stored() -> list[tuple[str, State, str | None, str | None]]:
    """Return kind, state, title and text of each row, in the order of their writing."""
    columns = (Notification.kind, Notification.state, Notification.title, Notification.text)
    with session() as s:
        return [
            (*row,)
            for row in s.execute(sa.select(*columns).order_by(Notification.created_at, Notification.id))
        ]


def sign_links(value: Any) -> Any:
    """Return the values of a text, each address in them replaced by a link that acts for its reader."""
    if isinstance(value, str) and value.startswith("http"):
        return write_address(TOKEN)
    if isinstance(value, Mapping):
        return {name: sign_links(each) for name, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(map(sign_links, value))
    return type(value)(map(sign_links, value)) if isinstance(value, list | tuple) else value


def claim_sample(user_id: Any, kind: str, channel: Channel) -> ClaimedMessage:
    """Write a message of a kind as its worker holds it, with links that act for its reader."""
    now, token = clock(), uuid4()
    row = Notification(
        id=new_id(), user_id=user_id, channel=channel, kind=kind, language="fr", priority=Priority.IMMEDIATE,
        dedupe_key=str(uuid4()), state=State.SENDING, attempts=1, lease_token=token, created_at=now,
        lease_until=now + timedelta(seconds=30), next_attempt_at=now, unknown_attempts=0, params={},
    )  # fmt: skip
    with session() as s:
        s.add(row)
    context = list_samples(kind, "fr", SampleSize.USUAL)
    signed = TemplateContext(sign_links(context.values), write_address(TOKEN), choices=context.choices)
    address = world.ADDRESSES.get(channel, world.ADDRESSES[Channel.SMS])
    return ClaimedMessage((ClaimedRow.of(row),), token, now + timedelta(seconds=30), address, signed)


@in_turn("channel", WAYS)
def test_no_row_keeps_a_link_that_acts_for_its_reader(channel: Channel, whole: "Running") -> None:
    """One message of every kind of the channel leaves; the table then has no secret text, and no token."""
    world.start_anew(whole)
    who = world.person(channels=(Channel.EMAIL,)).id
    spoken = [name for name in kinds() if speaks(name, "fr", channel)]
    for kind in spoken:
        delivery.hand_over([claim_sample(who, kind, channel)])
    found = read_stored()
    assert [kind for kind, *_ in found] == spoken
    assert {kind for kind, _, _, text in found if text is None} == SECRET.intersection(spoken)
    for kind, state, title, text in found:
        assert state is not State.PENDING, kind
        assert TOKEN not in f"{title}{text}", kind
        assert not SIGNED.search(f"{title}{text}"), kind
    if channel is Channel.EMAIL:
        assert any(TOKEN in each.text for each in whole.messages("email")), "links have left"
        assert all(title for kind, _, title, _ in found if kind not in SECRET)


def test_the_kinds_whose_text_no_row_keeps_are_these() -> None:
    """A kind that signs a link for its reader, or decrypts a code, is secret, or its links are masked."""
    assert {name for name, kind in kinds().items() if kind.secret} == SECRET


def test_a_row_says_what_was_sent_whatever_becomes_of_its_subject(whole: "Running") -> None:
    who, opened = world.person(channels=CONTACT_CHANNELS), world.slots()
    waiting_alert = world.alert(who, name="Naturalisation de maman")
    deliver(*map(str, world.matched(world.detection(opened))))
    world.gone(opened)
    with session() as s:
        s.delete(s.get_one(Alert, waiting_alert))
    columns = (Notification.channel, Notification.title, Notification.text)
    with session() as s:
        said = {row.channel: row for row in s.execute(sa.select(*columns))}
    assert {row.title for row in said.values()} == {"Créneau détecté – Essonne (91)"}
    mail, sms, chat = (said[each].text or "" for each in (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM))
    (left,) = whole.messages("email")
    assert mail == SIGNED.sub("[…]", left.text).strip()
    assert "[…]" in mail
    assert sms.startswith("RDVPriority : 1 créneau ouvert, Essonne (91), le 26/11 à 09:30.")
    assert "Naturalisation <b>&" in chat, "the desk's label as it is read, without the markup around it"
    assert "<tg-spoiler>" not in chat


@in_turn("people", [1, 3])
def test_messages_that_leave_in_one_call_and_alerts_in_one_message_keep_its_text(
    whole: "Running", people: int
) -> None:
    world.start_anew(whole)
    desks = ({"desk_id": world.DESK}, {"desk_id": world.OTHER_DESK})
    for number in range(people):
        world.alert(world.person(addresses={Channel.EMAIL: f"p{number}@example.org"}), *desks)
    keys = [*world.matched(world.detection()), *world.matched(world.detection(desk_id=world.OTHER_DESK))]
    deliver(*map(str, keys))
    assert len(whole.messages("email")) == people
    assert len({mail.provider_id for mail in whole.messages("email")}) == 1, "one call"
    texts = [text or "" for *_, text in read_stored()]
    assert (len(texts), len(set(texts))) == (2 * people, 1)
    assert "créneau ouvert" in texts[0]


@in_turn(
    "answer, is_kept",
    [
        (TemporaryError("busy"), False),
        (OutcomeUnknown("no answer"), True),
        (PermanentError("refused"), True),
    ],
)
def test_a_row_has_its_text_once_it_may_have_left_or_never_will(
    whole: "Running", answer: Any, is_kept: bool
) -> None:
    world.start_anew(whole)
    world.waiting()
    (message,) = delivery.claim([row.id for row in world.all_of(Notification)])
    outgoing = delivery.render_message(message, {})
    delivery.record_answer(delivery.Sent([message], answer, [outgoing.stored]))
    ((_, _, title, text),) = read_stored()
    assert (title is not None, text is not None) == (is_kept, is_kept)


def test_what_is_held_back_has_no_text() -> None:
    key = world.waiting()
    world.change(Alert, world.all_of(Alert)[0].id, enabled=False)
    deliver(str(key))
    assert read_stored() == [("slot_detected", State.SKIPPED, None, None)]


def test_a_message_to_somebody_without_an_account_leaves_no_text_behind(whole: "Running") -> None:
    with session() as s:
        made = notifier.notify_address(
            s,
            "visitor@example.org",
            "account_deleted",
            {"at": clock().isoformat(), "renewed": False, "refund": 0},
            "key",
        )
    deliver(*map(str, made))
    assert len(whole.messages("email")) == 1
    assert read_stored() == [("account_deleted", State.SENT, None, None)]


# Notices: written with the messages that say the same, once per person, without a contact


PAUSED = {"prefectures": ["evry-courcouronnes_91"], "count": 1, "limit": 1}


def pause(user_id: Any, key: str = "paused:1") -> Any:
    return world.in_one_transaction(
        create_notifications, user_id, "alerts_paused", PAUSED, key, priority="immediate"
    )


def test_a_matched_user_has_one_notice_however_many_alerts_match() -> None:
    camille = world.person()
    world.alert(camille)
    world.alert(camille, world.for_procedure())
    seen = world.detection()
    world.matched(seen)
    (notice,) = world.all_of(Notice)
    assert (notice.user_id, notice.kind, notice.language) == (camille.id, "slot_detected", "fr")
    assert notice.title == "Créneau détecté – Essonne (91)"
    assert "jeudi 26 novembre 2026 à\xa009:30" in notice.body
    assert "Naturalisation <b>&" in notice.body
    assert "None" not in notice.body
    assert "/l/stop." not in notice.body
    assert (notice.detection_id, notice.read_at, notice.gone_at) == (seen, None, None)


def test_a_notice_names_the_slots_that_its_reader_waits_for() -> None:
    every, late = world.person(), world.person()
    world.alert(every)
    world.alert(late, world.for_procedure(hour_from="12:00"))
    world.matched(world.detection(world.slots([world.MORNING, world.MORNING.replace(hour=13)])))
    bodies = {each.user_id: each.body for each in world.all_of(Notice)}
    assert "2 créneaux ouverts" in bodies[every.id]
    assert "1 créneau ouvert" in bodies[late.id]
    assert "14:30" in bodies[late.id]


def test_a_user_whom_no_contact_reaches_has_one_notice_of_a_slot_that_flickers_and_an_alert_that_is_edited() -> (
    None
):
    opened = world.slots()
    world.matched(world.detection(opened))
    silent = world.alert(world.person(enabled=False))
    for _ in range(2):
        world.rearm(silent)
        world.matched(world.detection(opened))
    assert len(world.all_of(Notice)) == 1
    world.slots([world.MORNING.replace(hour=13)])
    world.rearm(silent)
    assert len(world.all_of(Notice)) == 2


def test_a_message_that_is_tried_again_makes_no_second_notice() -> None:
    again = world.alert(world.person())
    world.matched(world.detection())
    (row,) = world.notifications()
    world.change(Notification, row.id, state=State.EXPIRED, reason="x", failed_at=clock())
    world.rearm(again)
    assert len(world.notifications()) == 2
    assert len(world.all_of(Notice)) == 1


def test_a_user_whom_no_contact_reaches_has_a_notice_and_sees_it_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[bool] = []
    monkeypatch.setattr(nudges, "wake_streams", lambda: shown.append(True))
    silent = world.person(enabled=False)
    world.alert(silent)
    jobs.match(str(world.detection()))
    assert (world.notifications(), [each.user_id for each in world.all_of(Notice)]) == ([], [silent.id])
    assert shown == [True]


def test_a_notice_that_cannot_be_rendered_stops_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise LookupError("a text")

    for writer in (notification_writer, message_writer):
        monkeypatch.setattr(writer, "render_notice", fail)
    camille = world.person()
    world.alert(camille)
    world.matched(world.detection())
    pause(camille.id)
    assert [each.kind for each in world.notifications()] == ["slot_detected", "alerts_paused"]
    assert world.all_of(Notice) == []


def test_another_kind_makes_one_notice_for_each_key_in_the_users_language_or_none() -> None:
    camille = world.person()
    world.in_one_transaction(
        create_notifications, camille.id, "password_changed", {}, "x", priority="immediate"
    )
    assert (len(world.notifications()), world.all_of(Notice)) == (1, [])
    world.change(User, camille.id, language="en")
    for key in ("paused:1", "paused:1", "paused:2"):
        pause(camille.id, key)
    first, second = world.all_of(Notice)
    assert (first.title, first.language, first.link) == ("One alert is paused", "en", "/dashboard")
    assert "Essonne (91)" in first.body
    assert second.title == first.title
