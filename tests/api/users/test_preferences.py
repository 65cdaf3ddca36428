"""Preferences of messages, consents to channels, and the linking of a Telegram chat: a code that one private chat uses once."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from api.accounts import consents
from api.accounts.consents import give_consent, give_news_consent, withdraw_consent
from api.models.base import session
from api.models.contact_lookup import TelegramLink
from api.models.login import Login
from api.models.notification import HeldFor, Notification, Priority, State
from api.models.user import CONTACT_CHANNELS, Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.ground.encryption import decrypt
from configs.world.plan import PlanName
from tests.api.world import Door, statements
from tests.clients import People, Person, problem
from tests.factories import add_alert, add_contact, add_message, change, get, one, rows
from tests.in_turn import in_turn
from tests.waiting import at_once

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
        "toldInDoubt": False, "mayBeAsked": False,
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
        assert (error["path"], error["rule"]) == (f"groups.{group}", "extra_forbidden")
        assert shown(subscriber)["groups"][group]["email"] is True
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
VERSION = "2026-11-30"
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
    both = [consents.read_consent_text("sms", each) for each in ("fr", "en")]
    assert consents.read_consent_text("sms", "tlh").strip("\u2068\u2069") == " · ".join(both)


SECRETS = "new-secret-new-secret,old-secret-old-secret"
HOOK = "/api/telegram/webhook"
LINK = "/api/users/telegram-link"


@pytest.fixture(autouse=True)
def _bot(app: Flask, settings_env: Callable[..., None]) -> None:
    settings_env(TELEGRAM_BOT_NAME="rdvpriority_bot", TELEGRAM_WEBHOOK_SECRET=SECRETS)


def ask(who: Person) -> str:
    """Ask for a link; return its code."""
    answer = who.post(LINK)
    assert answer.status_code == 200, answer.text
    url = urlsplit((answer.json or {})["url"])
    assert (url.netloc, url.path) == ("t.me", "/rdvpriority_bot")
    code: str = parse_qs(url.query)["start"][0]
    return code


def update(text: str, chat: int = 9876543210, kind: str = "private", **chat_fields: Any) -> dict[str, Any]:
    place = {"id": chat, "type": kind, "first_name": "Camille", "last_name": "Martin"} | chat_fields
    return {"update_id": 1, "message": {"message_id": 1, "date": 1, "chat": place, "text": text}}


def call(client: FlaskClient, body: object, secret: str | None = SECRETS.partition(",")[0]) -> Any:
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret is not None else {}
    data = body if isinstance(body, bytes) else json.dumps(body)
    return client.post(HOOK, data=data, headers=headers, content_type="application/json")


def press(client: FlaskClient, code: str, **fields: Any) -> None:
    answer = call(client, update(f"/start {code}", **fields))
    assert (answer.status_code, answer.json) == (200, {"received": True})


def state(who: Person) -> tuple[str, str | None]:
    shown = who.get(LINK).json
    return shown["state"], shown["chatName"]


def confirm(who: Person) -> Any:
    return who.post(f"{LINK}/confirm")


def chats() -> list[str]:
    return [contact.address for contact in rows(Contact) if contact.channel is Channel.TELEGRAM]


def test_a_chat_is_linked_by_start_and_confirmation(client: FlaskClient, camille: Person, door: Door) -> None:
    assert state(camille) == ("none", None)
    code = ask(camille)
    assert len(code) == 22  # 128 bits
    assert state(camille) == ("waiting", None)
    press(client, code)
    assert state(camille) == ("started", "Camille Martin")
    assert chats() == []
    shown = confirm(camille).json
    assert (shown["telegramChatId"], shown["notifyTelegram"]) == (True, True)
    assert chats() == ["9876543210"]
    (given,) = (each.consent["alerts"] for each in rows(Contact, Contact.channel == Channel.TELEGRAM))
    assert (given["subject"], given["place"]) == ("telegram", "telegram_link")
    assert state(camille) == ("none", None)
    mail, said = sorted(rows(Notification), key=lambda row: row.id)
    assert (mail.kind, mail.channel) == ("telegram_linked", Channel.EMAIL)
    assert decrypt(mail.params["chat_name"]) == "Camille Martin"
    assert (said.kind, said.channel) == ("bot_reply", Channel.TELEGRAM)
    assert said.params == {"view": "help", "event": "linked", "account": "c…@example.org"}
    assert door.nudged == [mail.id, said.id]


def test_neither_chat_nor_name_nor_code_is_in_the_tables(client: FlaskClient, camille: Person) -> None:
    code = ask(camille)
    press(client, code)
    confirm(camille)
    press(client, ask(camille), chat=55555)
    with session() as s:
        text = " ".join(
            str(s.execute(sa.text(f"SELECT * FROM {table}")).all())  # noqa: S608 -- our own names
            for table in ("contacts", "telegram_links", "notifications")
        )
    for secret in (code, "9876543210", "Martin"):
        assert secret not in text


def test_a_code_is_good_for_ten_minutes_in_private_chats_only(
    client: FlaskClient, frozen: time_machine.Traveller, camille: Person
) -> None:
    code = ask(camille)
    press(client, code, kind="group", chat=-100)
    assert state(camille) == ("waiting", None)
    frozen.shift(timedelta(seconds=600))
    press(client, code)
    assert state(camille) == ("none", None)
    assert confirm(camille).status_code == 409


def test_a_code_is_good_once_and_a_repeated_update_changes_nothing(
    client: FlaskClient, camille: Person
) -> None:
    code = ask(camille)
    press(client, code)
    press(client, code)
    press(client, code, chat=666, first_name="Mallory")
    assert state(camille) == ("started", "Camille Martin")
    confirm(camille)
    press(client, code, chat=666)
    assert state(camille) == ("none", None)
    assert confirm(camille).status_code == 409
    assert chats() == ["9876543210"]


def test_a_chat_belongs_to_its_newest_proof_and_the_account_before_is_told(
    client: FlaskClient, camille: Person, person: People
) -> None:
    press(client, ask(camille))
    confirm(camille)
    robin = person("robin@example.org", confirmed=True)
    press(client, ask(robin))
    assert confirm(robin).status_code == 200
    (chat,) = [each for each in rows(Contact) if each.channel is Channel.TELEGRAM]
    assert chat.user_id == robin.id
    (told,) = [each for each in rows(Notification) if each.kind == "channel_lost"]
    assert (told.user_id, told.channel) == (camille.id, Channel.EMAIL)
    assert told.params == {"channel": "telegram", "state": "moved"}
    assert not camille.get("/api/auth/me").json["telegramChatId"]


def test_of_three_who_confirm_one_chat_at_once_the_last_one_has_it(app: Flask, person: People) -> None:
    people = [person(f"p{number}@example.org") for number in range(3)]
    for each in people:
        press(app.test_client(), ask(each))
    answers = at_once(lambda each: confirm(each).status_code, people)
    assert answers == [200, 200, 200]
    assert len(rows(Contact, Contact.channel == Channel.TELEGRAM)) == 1


def test_a_link_needs_a_bot_and_a_recent_proof(camille: Person, settings_env: Callable[..., None]) -> None:
    settings_env(TELEGRAM_BOT_NAME="")
    assert camille.post(LINK).status_code == 503
    settings_env(TELEGRAM_BOT_NAME="rdvpriority_bot")
    change(Login, proven_at=Login.proven_at - timedelta(hours=1))
    answer = camille.post(LINK)
    assert problem(answer) == (403, "recent-proof-needed")
    assert rows(TelegramLink) == []


def test_a_forged_call_is_refused_without_a_query_and_both_secrets_are_taken_while_they_change(
    client: FlaskClient, camille: Person, settings_env: Callable[..., None]
) -> None:
    body = update(f"/start {ask(camille)}")
    for secret in (None, "wrong", "é"):
        answers: list[Any] = []
        assert statements(lambda: answers.append(call(client, body, secret))) == 0  # noqa: B023 -- called at once
        assert answers[0].status_code == 403
    assert state(camille) == ("waiting", None)
    assert call(client, body, "old-secret-old-secret").status_code == 200
    assert state(camille)[0] == "started"
    settings_env(TELEGRAM_WEBHOOK_SECRET="")
    assert call(client, update("/start x"), "").status_code == 403


@in_turn(
    "body",
    [
        b"\0",
        b"not json",
        b"[" * 100_000,
        {},
        {"message": {}},
        {"message": {"chat": {"id": 10**30, "type": "private"}, "text": "/start x"}},
        {"message": {"chat": {"id": 1, "type": "private"}, "text": None}},
        {"message": {"chat": {"id": 1, "type": "private"}, "text": "/start " + "x" * 900_000}},
        {"message": {"chat": {"id": 1, "type": "private", "first_name": "x" * 900_000}, "text": "hello"}},
        {"edited_message": {"chat": {"id": 1}}},
    ],
)
def test_what_means_nothing_is_taken_and_changes_nothing(
    client: FlaskClient, camille: Person, body: object
) -> None:
    ask(camille)
    assert call(client, body).status_code == 200
    assert state(camille) == ("waiting", None)


def test_a_name_is_shown_in_one_short_line(client: FlaskClient, camille: Person) -> None:
    press(client, ask(camille), first_name="A\n\u202eB" + "x" * 500, last_name="", username="cam")
    _, name = state(camille)
    assert name
    assert name.isprintable()
    assert len(name) < 140
    assert name.endswith("(@cam)")


def test_a_chat_that_blocked_the_bot_is_unlinked_until_it_is_linked_again(
    client: FlaskClient, camille: Person
) -> None:
    press(client, ask(camille))
    assert confirm(camille).json["telegramChatId"] is True
    change(Contact, Contact.channel == Channel.TELEGRAM, state=ContactState.BLOCKED)
    account = camille.get("/api/auth/me").json
    assert (account["telegramChatId"], account["notifyTelegram"]) == (False, False)
    switched = camille.patch("/api/users/notifications", {"notifyTelegram": True})
    assert switched.status_code == 409
    assert "not-linked" in switched.text
    press(client, ask(camille))
    account = confirm(camille).json
    assert (account["telegramChatId"], account["notifyTelegram"]) == (True, True)
