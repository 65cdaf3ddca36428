"""Linking of a Telegram chat: a code that one private chat uses once, a user who confirms it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from api.models.base import session
from api.models.contact_linking import TelegramLink
from api.models.login import Login
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState
from configs.ground.encryption import decrypt
from tests.api.world import Door, statements
from tests.clients import People, Person, problem
from tests.factories import change, rows
from tests.in_turn import in_turn

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
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda each: confirm(each).status_code, people))
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
