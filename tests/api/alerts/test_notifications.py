"""A user's own messages and notices: their texts, their states, reasons in the user's words, and which were read."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.alerts.notifications import notices
from api.alerts.notifications.reasons import Reason, find_reason, write_reason
from api.models.base import new_id
from api.models.notification import HeldFor, Match, Notice, Notification, Priority, State
from api.models.user import Channel, User
from configs.ground.clock import clock
from configs.world.retention import messages_kept_for
from notifier.delivery.claiming import ALL_COPIES
from notifier.delivery.claiming import OVER_BUDGET as BUDGET
from notifier.delivery.retry_policy import UNKNOWN, USED_UP
from tests.clients import People, Person, read_json
from tests.factories import BOBIGNY, add_alert, add_match, add_message, change, get, rows, save, see
from tests.in_turn import in_turn

TITLE, TEXT = "Créneau détecté – Seine-Saint-Denis (93)", "1 créneau, mardi 1er décembre 2026.\nArrêter : […]"
_ENDED = (State.FAILED, State.EXPIRED, State.SKIPPED, State.BOUNCED)


def write(
    person: Person | User,
    kind: str = "support_received",
    state: State = State.SENT,
    *,
    reason: str | None = None,
    channel: Channel = Channel.EMAIL,
    at: datetime | None = None,
    **params: Any,
) -> UUID:
    """Write a message to a person."""
    now, said = at or clock(), f"n° {params['number']}" if "number" in params else None
    ended, leased = state in _ENDED, state is State.SENDING
    return add_message(
        person.id, kind=kind, channel=channel, params=params, priority=Priority.IMMEDIATE, state=state,
        reason=reason or ("x" if ended else None), created_at=now, next_attempt_at=now,
        accepted_at=now if state in (State.SENT, State.DELIVERED, State.NO_RECEIPT, State.BOUNCED) else None,
        title=said and "Votre message", text=said,
        failed_at=now if ended else None, lease_token=new_id() if leased else None, lease_until=now if leased else None,
    )  # fmt: skip


def announce(person: Person | User, *moments: str) -> UUID:
    """Write a slot alert that left, about slots at these moments."""
    detection, slots = see(*moments)
    match_id = add_match(add_alert(person.id), detection, slots)
    key = write(person, "slot_detected", detection_id=str(detection), desk_id=BOBIGNY, code="secret")
    announced = get(Match, match_id).announcement_id
    change(Notification, Notification.id == key, announcement_id=announced, title=TITLE, text=TEXT)
    return key


def page(person: Person, **query: object) -> dict[str, Any]:
    return read_json(person.get("/api/notifications", **query))


def test_a_slot_alert_is_shown_with_the_text_that_it_left_with_and_what_it_is_about(camille: Person) -> None:
    key = announce(camille, "2026-12-01T08:30:00+00:00")
    (shown,) = page(camille)["items"]
    assert (shown["id"], shown["type"], shown["channel"], shown["status"]) == (
        str(key), "slot_detected", "email", "sent",
    )  # fmt: skip
    assert (shown["title"], shown["body"], shown["content"]) == (TITLE, TEXT, "shown")
    assert (shown["reason"], shown["errorMsg"], shown["failedAt"]) == (None, None, None)
    assert shown["sentAt"] == shown["createdAt"]
    about = shown["metadata"]
    assert (about["deskId"], about["prefectureId"]) == ("bobigny_93/titre-sejour", "bobigny_93")
    assert about["detectionId"]
    assert "secret" not in str(about), "none of its other values"


def test_messages_are_filtered_by_channel_and_status(camille: Person) -> None:
    sms = write(camille, "channel_lost", State.SKIPPED, channel=Channel.SMS, reason="switched off")
    mail = write(camille, state=State.SKIPPED, reason="switched off")
    write(camille)
    assert [each["id"] for each in page(camille, channel="sms")["items"]] == [str(sms)]
    assert [each["id"] for each in page(camille, status="skipped")["items"]] == [str(mail), str(sms)]
    assert [each["id"] for each in page(camille, status="skipped", channel="sms")["items"]] == [str(sms)]


def test_a_reason_is_in_the_account_s_language(camille: Person) -> None:
    write(camille, "slot_detected", State.EXPIRED, reason="slots gone")
    for language, words in (("fr", "déjà pris"), ("en", "were gone"), ("ar", "حُجزت")):
        change(User, User.id == camille.id, language=language)
        (shown,) = page(camille)["items"]
        assert (shown["reason"], words in shown["errorMsg"]) == ("slots_gone", True)
        assert shown["failedAt"]


def test_what_has_not_left_has_a_title_and_no_text(camille: Person) -> None:
    write(camille, "slot_detected", State.PENDING, desk_id=BOBIGNY)
    write(camille, "slot_detected", State.SKIPPED, desk_id=7)
    write(camille, "horoscope", State.FAILED)
    assert [(each["content"], each["title"], each["body"]) for each in page(camille)["items"]] == [
        ("unavailable", None, None), ("unavailable", None, None), ("unavailable", TITLE, None),
    ]  # fmt: skip


def test_texts_are_shown_for_as_long_as_they_are_kept(camille: Person) -> None:
    oldest = clock() - messages_kept_for()
    write(camille, number=1, at=oldest)
    write(camille, number=2, at=oldest + timedelta(minutes=1))
    assert [(each["content"], each["title"], each["body"]) for each in page(camille)["items"]] == [
        ("shown", "Votre message", "n° 2"), ("erased", None, None),
    ]  # fmt: skip


_UNNAMED = (Reason.OUTDATED, Reason.TRIED_AGAIN)
NOTIFIER = Path(__file__).parents[3] / "notifier"
_LITERAL = re.compile(r'Skip\(State\.(\w+), "([^"]+)"\)')
# Of these there is nothing more to say than that the message had become pointless.
POINTLESS = {
    "acknowledged before", "alert changed", "alert waits already", "already verified", "an alert waits again", "answered already",
    "answered, or no appointment any more", "called often enough", "code used or expired", "declaration deleted", "no operator any more",
    "long after the call", "not decided any more", "nothing waits any more", "number changed meanwhile", "published already", "quiet hours outlast it", "request deleted", "slots not seen lately",
    "the announcement was stopped", "the appointment is over", "the days of grace are over", "the password was changed meanwhile", "the change was made, ended or replaced", "the desk is not watched any more",
    "the organisation helps the person no more",
    "the plan goes on, or ended otherwise", "the reminder was moved", "the second factor was kept, or has ended", "the trouble was not told", "the week is over",
    "too old to be edited", "watched again",
}  # fmt: skip


@in_turn(
    "state, stored, held_for, expected",
    [
        (State.SENT, None, None, None),
        (State.PENDING, None, None, None),
        (State.SENDING, "sendgrid answered 500", None, None),
        (State.PENDING, "sendgrid answered 500", None, Reason.TRIED_AGAIN),
        (State.SKIPPED, BUDGET, None, Reason.SMS_BUDGET),
        (State.FAILED, ALL_COPIES, None, Reason.MAY_HAVE_ARRIVED),
        (State.SKIPPED, "address unsubscribed", None, Reason.UNSUBSCRIBED),
        (State.SKIPPED, "address bounced", None, Reason.BOUNCED),
        (State.SKIPPED, "address blocked", None, Reason.BLOCKED),
        (State.EXPIRED, "slots gone", None, Reason.SLOTS_GONE),
        (State.EXPIRED, "watched again", None, Reason.OUTDATED),
        (State.BOUNCED, "twilio 30003", None, Reason.BOUNCED),
        (State.FAILED, f"{USED_UP}sendgrid answered 500", None, Reason.NOT_ACCEPTED),
        (State.FAILED, f"{UNKNOWN}no answer", None, Reason.MAY_HAVE_ARRIVED),
        (State.FAILED, "sendgrid answered 400", None, Reason.NOT_ACCEPTED),
        (State.PENDING, "sendgrid answered 500", HeldFor.CAP, Reason.HOURLY_CAP),
        (State.PENDING, None, HeldFor.SLOTS, Reason.UNCONFIRMED),
        (State.PENDING, None, HeldFor.QUIET_HOURS, Reason.QUIET_HOURS),
        (State.PENDING, f"{UNKNOWN}no answer", HeldFor.DIGEST, Reason.DIGEST),
        (State.EXPIRED, "slots gone", HeldFor.QUIET_HOURS, Reason.GONE_IN_QUIET_HOURS),
        (State.EXPIRED, "slots gone", HeldFor.DIGEST, Reason.GONE_BEFORE_DIGEST),
        (State.EXPIRED, "slots gone", HeldFor.CAP, Reason.SLOTS_GONE),
        (State.SKIPPED, "alert stopped", HeldFor.DIGEST, Reason.ALERT_STOPPED),
        (State.SENT, None, HeldFor.DIGEST, None),
    ],
)
def test_a_row_has_the_reason_of_its_state_and_of_what_it_waits_or_waited_for(
    state: State, stored: str | None, held_for: HeldFor | None, expected: Reason | None
) -> None:
    assert find_reason(state, stored, held_for) is expected


def test_every_reason_that_the_notifier_gives_is_known() -> None:
    given = {
        text for path in NOTIFIER.rglob("*.py") for text in _LITERAL.findall(path.read_text(encoding="utf-8"))
    }
    assert len(given) > 10
    unnamed = {said for state, said in given if find_reason(State[state], said) in _UNNAMED}
    assert unnamed == POINTLESS


@in_turn("reason", Reason)
def test_every_reason_has_words_in_each_language(reason: Reason) -> None:
    words = {write_reason(reason, language) for language in ("fr", "en", "ar")}
    assert len(words) == 3
    assert write_reason(reason, "it") == write_reason(reason, "fr")


URL = "/api/notices"


def write_notice(user_id: UUID, title: str = "Titre", **columns: Any) -> UUID:
    """Write a notice to a user."""
    values = {
        "id": new_id(),
        "kind": "alerts_paused",
        "language": "fr",
        "body": "Texte",
        "link": "/dashboard",
    }
    row = Notice(user_id=user_id, title=title, **(values | columns))
    save(row)
    return row.id


def read_notices(person: Person, **query: object) -> dict[str, Any]:
    return read_json(person.get(URL, **query))


def mark(person: Person, path: str, body: Any = None) -> Any:
    return person.post(f"{URL}/{path}", body)


def test_a_notice_is_shown_and_the_unread_ones_are_counted(camille: Person) -> None:
    for number in range(2):
        key = str(write_notice(camille.id, str(number)))
    found = read_notices(camille)
    assert (found["next"], found["unread"]) == (None, 2)
    assert found["items"][0] | {"createdAt": None} == {
        "id": key, "type": "alerts_paused", "language": "fr", "title": "1", "body": "Texte", "link": "/dashboard",
        "detectionId": None, "createdAt": None, "readAt": None, "goneAt": None,
    }  # fmt: skip


def test_one_notice_is_read_and_keeps_its_time(camille: Person) -> None:
    key, _ = write_notice(camille.id), write_notice(camille.id)
    assert mark(camille, f"{key}/read").json == {"unread": 1}
    (read_at,) = [row.read_at for row in rows(Notice) if row.id == key]
    assert read_at is not None
    assert mark(camille, f"{key}/read").json == {"unread": 1}
    assert [row.read_at for row in rows(Notice) if row.id == key] == [read_at]


def test_all_are_read_up_to_the_newest_that_was_shown_and_bad_bodies_change_nothing(
    camille: Person, person: People
) -> None:
    theirs = write_notice(person("robin@example.org").id)
    shown = [write_notice(camille.id) for _ in range(3)]
    later = write_notice(camille.id)
    for body in ({}, {"last": "x"}):
        assert mark(camille, "read-all", body).status_code in (400, 415, 422)
    assert [row.read_at for row in rows(Notice)] == [None] * 5
    assert mark(camille, "read-all", {"last": str(shown[-1])}).json == {"unread": 1}
    assert [row.id for row in rows(Notice) if row.read_at is None] == [theirs, later]


def test_unread_notices_are_counted_to_a_bound(person: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MOST_COUNTED", 2)
    camille = person()
    for _ in range(3):
        write_notice(camille.id)
    assert read_notices(camille)["unread"] == 2
