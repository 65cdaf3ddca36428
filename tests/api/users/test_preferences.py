"""Preferences of messages: groups by channel, quiet hours, the rhythm of slot alerts; and consents to channels, given and withdrawn."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from api.accounts import consents
from api.accounts.consents import give_consent, give_news_consent, withdraw_consent
from api.models.base import session
from api.models.notification import HeldFor, Notification, Priority, State
from api.models.user import CONTACT_CHANNELS, Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, Person, problem
from tests.factories import add_alert, add_contact, add_message, change, get, one, rows
from tests.in_turn import in_turn

PATH = "/api/users/notifications"


@pytest.fixture
def subscriber(person: People) -> Person:
    """Make a user with a plan, a confirmed address and a linked chat."""
    made = person(plan=PlanName.URGENCE_TOTAL)
    change(Contact, verified_at=clock(), consented_at=clock())
    add_contact(made.id, Channel.TELEGRAM, "1")
    return made


def patch(who: Person, **body: Any) -> Any:
    return who.patch(PATH, body)


def changed(who: Person, **body: Any) -> dict[str, Any]:
    """Change preferences; return what GET shows then."""
    answer = patch(who, **body)
    assert answer.status_code == 200, answer.text
    return shown(who)


def shown(who: Person) -> dict[str, Any]:
    found: dict[str, Any] = who.get(PATH).json
    return found


def read_contact(channel: Channel = Channel.EMAIL) -> Contact:
    return one(Contact, Contact.channel == channel)


def hold(who: Person, held_for: HeldFor | None = HeldFor.DIGEST) -> Notification:
    """Write a slot alert that waits for tomorrow."""
    later = clock() + timedelta(days=1)
    waits = {"priority": Priority.SCHEDULED, "next_attempt_at": later}
    made = add_message(who.id, contact_id=read_contact().id, held_for=held_for, **waits)
    return get(Notification, made)


def test_at_first_all_arrives_at_once_but_news(subscriber: Person) -> None:
    assert shown(subscriber) == {
        "notifyEmail": True, "notifySms": False, "notifyTelegram": True, "notifyPush": False,
        "callHours": {"from": "08:00", "until": "22:00"},
        "groups": {
            "slots": {"email": True, "sms": None, "telegram": True, "push": None},
            "desk": {"email": True, "sms": None, "telegram": True, "push": None},
            "reminders": {"email": True, "sms": None, "telegram": True, "push": None},
            "summary": {"email": False, "sms": None, "telegram": None, "push": None},
            "news": {"email": False, "sms": None, "telegram": None, "push": None},
            "account": {"email": True, "sms": None, "telegram": None, "push": None},
            "payment": {"email": True, "sms": None, "telegram": None, "push": None},
        },
        "quietHours": None, "slotRhythm": "at_once", "digestAt": "07:00", "timeZone": "Europe/Paris",
    }  # fmt: skip


def test_a_group_is_switched_by_channel_and_the_rest_stays(subscriber: Person) -> None:
    groups = changed(subscriber, groups={"slots": {"telegram": False}, "desk": {"email": False}})["groups"]
    assert groups["slots"] == {"email": True, "sms": None, "telegram": False, "push": None}
    assert groups["desk"] == {"email": False, "sms": None, "telegram": True, "push": None}
    assert read_contact(Channel.TELEGRAM).stopped_groups == ["slots"]
    groups = changed(subscriber, notifyEmail=True, groups={"slots": {"telegram": True}})["groups"]
    assert (groups["slots"]["telegram"], groups["desk"]["email"]) == (True, False)


def test_slot_alerts_on_a_further_channel_catch_up(subscriber: Person, door: Door) -> None:
    alert = add_alert(subscriber.id)
    changed(subscriber, groups={"slots": {"telegram": True}, "desk": {"telegram": False}})
    assert door.caught_up == []
    changed(subscriber, groups={"slots": {"telegram": False}})
    assert door.caught_up == []
    changed(subscriber, groups={"slots": {"telegram": True}})
    assert door.caught_up == [alert]


def test_account_and_payment_mail_cannot_be_switched_off(subscriber: Person) -> None:
    for group in ("account", "payment"):
        answer = patch(subscriber, groups={group: {"email": False}})
        assert answer.status_code == 422
        (error,) = answer.json["errors"]
        assert (error["path"], error["rule"]) == (f"groups.{group}.email", "always_on")
        assert "cannot be switched off" in error["detail"]
        assert changed(subscriber, groups={group: {"email": True}})["groups"][group]["email"] is True
    assert read_contact().stopped_groups == []


def test_a_group_on_a_channel_that_is_not_linked_says_how_to_link_it(subscriber: Person) -> None:
    answer = patch(subscriber, notifyEmail=False, groups={"slots": {"sms": True}})
    assert problem(answer) == (409, "not-linked")
    assert shown(subscriber)["notifyEmail"] is True  # nothing of it was changed
    assert changed(subscriber, groups={"slots": {"sms": False}})["groups"]["slots"]["sms"] is None
    assert changed(subscriber, notifySms=False)["notifySms"] is False  # off it is without a number, too


@in_turn(
    "body, path",
    [
        ({"callHours": {"from": "22:00", "until": "22:00"}}, "callHours.until"),
        ({"quietHours": {"from": "22:00", "until": "22:00"}}, "quietHours.until"),
        ({"quietHours": {"from": 79200, "until": "07:00"}}, "quietHours.from"),
        ({"digestAt": "7"}, "digestAt"),
        ({"groups": {"news": {"sms": True}}}, "groups.news.sms"),
        ({"groups": {"summary": {"telegram": True}}}, "groups.summary.telegram"),
    ],
)
def test_what_is_wrong_is_named(subscriber: Person, body: dict[str, Any], path: str) -> None:
    answer = patch(subscriber, **body)
    assert answer.status_code == 422
    assert [each["path"] for each in answer.json["errors"]] == [path]


def test_news_are_a_consent_with_its_text_and_end_by_it(subscriber: Person) -> None:
    assert changed(subscriber, groups={"news": {"email": True}})["groups"]["news"]["email"] is True
    given = (read_contact().consent or {})["news"]
    assert (given["subject"], given["place"]) == ("news", "preferences")
    changed(subscriber, groups={"news": {"email": True}})  # once more changes nothing
    assert (read_contact().consent or {})["news"] == given
    assert changed(subscriber, groups={"news": {"email": False}})["groups"]["news"]["email"] is False
    assert (read_contact().consent or {})["news"].items() > given.items()


def test_the_weekly_summary_is_asked_for_and_keeps_since_when(subscriber: Person) -> None:
    assert changed(subscriber, groups={"summary": {"email": True}})["groups"]["summary"]["email"] is True
    since = read_contact().summary_since
    assert since
    changed(subscriber, groups={"summary": {"email": True}})  # once more changes nothing
    assert read_contact().summary_since == since
    assert changed(subscriber, notifyEmail=False)["groups"]["summary"]["email"] is True
    assert changed(subscriber, groups={"summary": {"email": False}})["groups"]["summary"]["email"] is False
    assert read_contact().summary_since is None
    assert read_contact().stopped_groups == []


@in_turn("way", ["switch", "spam report"])
def test_the_consent_to_news_ends_with_that_to_the_channel(subscriber: Person, way: str) -> None:
    with session() as s:
        contact = s.scalars(sa.select(Contact).where(Contact.channel == Channel.EMAIL)).one()
        give_consent(contact, "registration")
        give_news_consent(contact, "preferences")
        assert [contact.wants_news] == [True]
        if way == "switch":
            withdraw_consent(contact, "switch")
        else:
            contact.state, contact.consented_at = ContactState.UNSUBSCRIBED, None
        assert [contact.wants_news] == [False]
        give_consent(contact, "switch")
        assert [contact.wants_news] == [False]
        assert (contact.consent or {})["news"]["withdrawn_at"]


@in_turn(
    "path, body",
    [
        (PATH, {"slotRhythm": "at_once"}),
        (PATH, {"groups": {"slots": {"email": False}}}),
        ("/api/users/profile", {"timeZone": "Indian/Reunion"}),
    ],
)
def test_messages_that_wait_are_looked_at_again_by_what_holds_now(
    subscriber: Person, path: str, body: dict[str, Any]
) -> None:
    waiting, failed = hold(subscriber), hold(subscriber, None)
    assert subscriber.patch(path, body).status_code == 200
    found = {row.id: row for row in rows(Notification)}
    assert found[waiting.id].state is State.PENDING
    assert found[waiting.id].next_attempt_at <= clock()
    assert found[failed.id].next_attempt_at == failed.next_attempt_at


MINUTE = timedelta(minutes=1)
VERSION = "2026-11-24"
_SINCE = {consents.NEWS: "2026-11-23", Channel.PUSH: "2026-11-24"}  # subjects that came later


def test_the_switch_of_a_channel_gives_its_consent_and_withdraws_it_each_once(
    frozen: time_machine.Traveller, subscriber: Person
) -> None:
    kept = []
    for on in (False, True, True, False, False):
        frozen.shift(MINUTE)
        changed(subscriber, notifyTelegram=on)
        contact = read_contact(Channel.TELEGRAM)
        assert (contact.consented_at is not None) is on
        kept.append((contact.consent or {})["alerts"])
    _, given, again, withdrawn, once_more = kept
    at = {name: (clock() - ago * MINUTE).isoformat() for name, ago in (("given", 3), ("withdrawn", 1))}
    assert given == again == {
        "subject": "telegram", "text": VERSION, "place": "switch", "given_at": at["given"],
    }  # fmt: skip
    assert withdrawn == once_more == given | {"withdrawn_at": at["withdrawn"], "withdrawn_in": "switch"}


def _list_subjects(version: str) -> list[str]:
    """Return what a version has texts about."""
    subjects = [*CONTACT_CHANNELS, consents.HEALTH, consents.NEWS]
    return [each for each in subjects if version >= _SINCE.get(each, version)]


def test_each_version_says_each_subject_in_each_language() -> None:
    assert consents.list_versions()[0] == VERSION
    for version in consents.list_versions():
        for subject in _list_subjects(version):
            said = {consents.read_consent_text(subject, each, version) for each in ("fr", "en", "ar")}
            assert len(said) == 3
    assert consents.read_consent_text("sms", "tlh") == consents.read_consent_text("sms", "fr")
