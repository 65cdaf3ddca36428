"""Registering and logging in: what is answered, kept and sent, and what it costs."""

from collections.abc import Callable
from datetime import timedelta
from unittest import mock
from uuid import UUID

import bcrypt
import pytest
import time_machine
from flask.testing import FlaskClient

from api.accounts.consents import list_versions
from api.accounts.passwords import hold_turn
from api.models.login import PendingRegistration
from api.models.notification import Notification
from api.models.user import Channel, Contact, User
from configs.ground.clock import clock
from configs.ground.signing import SKEW
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, problem, read_json
from tests.factories import PASSWORD, add_contact, change, rows

CAMILLE = {"email": "Camille@Example.org", "password": PASSWORD}


def register(client: FlaskClient, **fields: object) -> object:
    answer = client.post("/api/auth/register", json=CAMILLE | fields)
    assert answer.status_code == 202, answer.text
    return answer.json


def log_in(
    client: FlaskClient, password: str = PASSWORD, email: str = "camille@example.org"
) -> dict[str, str]:
    found: dict[str, str] = read_json(
        client.post("/api/auth/login", json={"email": email, "password": password})
    )
    return found


def test_registering_keeps_the_account_and_the_wished_plan_and_sends_one_mail(
    client: FlaskClient, door: Door
) -> None:
    register(client, phone="06 12 34 56 78", plan="URGENCE_7J")
    (user,) = rows(User)
    assert user.email == "Camille@example.org"
    assert user.wished_plan is PlanName.URGENCE_7J
    assert PASSWORD not in user.password_hash
    found = {contact.channel: contact for contact in rows(Contact)}
    assert found[Channel.EMAIL].enabled
    assert found[Channel.EMAIL].verified_at is None
    assert found[Channel.EMAIL].consent["alerts"] == {
        "subject": "email", "text": list_versions()[0], "place": "registration",
        "given_at": found[Channel.EMAIL].consented_at.isoformat(),
    }  # fmt: skip
    (kept,) = rows(PendingRegistration)
    assert (kept.phone, kept.wished_plan) == ("+33612345678", PlanName.URGENCE_7J)
    (mail,) = rows(Notification)
    assert (mail.kind, mail.channel) == ("verify_email", Channel.EMAIL)
    assert door.nudged == [mail.id]


def test_registering_a_known_address_answers_the_same_and_changes_nothing(client: FlaskClient) -> None:
    first = register(client)
    (before,) = rows(User)
    assert register(client, email="camille@EXAMPLE.ORG", password="another password") == first
    (after,) = rows(User)
    assert after.password_hash == before.password_hash


def test_a_confirmed_address_learns_that_it_has_an_account(
    client: FlaskClient, door: Door, frozen: time_machine.Traveller
) -> None:
    answer = register(client)
    change(Contact, verified_at=clock())
    frozen.shift(timedelta(minutes=1))
    assert register(client) == answer
    first, second = sorted(rows(Notification), key=lambda row: row.id)
    assert (first.kind, second.kind) == ("verify_email", "account_exists")
    assert door.nudged == [first.id, second.id]


def test_a_known_and_an_unknown_address_cost_one_hash_each(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashing = mock.Mock(wraps=bcrypt.hashpw)
    monkeypatch.setattr(bcrypt, "hashpw", hashing)
    for _ in range(2):
        register(client)
    assert hashing.call_count == 2


def test_passwords_are_judged_in_the_turn_that_hashes_them(
    client: FlaskClient, settings_env: Callable[..., None]
) -> None:
    """Judging holds the interpreter: what many send at once is judged one by one."""
    settings_env(PASSWORD_WAIT_SECONDS="0.1")
    with hold_turn():
        answer = client.post("/api/auth/register", json=CAMILLE | {"password": "aaaaaaaaaaaaaaa"})
    assert answer.status_code == 503


def test_a_login_answers_a_token_that_opens_the_account_for_15_minutes(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    register(client)
    given = log_in(client)
    assert set(given) == {"token", "refreshToken", "expiresAt"}
    assert given["expiresAt"] == "2026-11-20T09:15:00Z"
    headers = {"Authorization": f"Bearer {given['token']}"}
    assert client.get("/api/auth/me", headers=headers).status_code == 200
    frozen.shift(timedelta(minutes=15, seconds=SKEW + 1))
    late = client.get("/api/auth/me", headers=headers)
    assert problem(late) == (401, "token-expired")


def test_an_unknown_address_and_a_wrong_password_are_answered_alike(client: FlaskClient) -> None:
    register(client)
    wrong = client.post("/api/auth/login", json=CAMILLE | {"password": "x"})
    unknown = client.post("/api/auth/login", json={"email": "nobody@example.org", "password": "x"})
    assert wrong.status_code == unknown.status_code == 401
    drop = {"requestId"}
    assert {k: v for k, v in (wrong.json or {}).items() if k not in drop} == {
        k: v for k, v in (unknown.json or {}).items() if k not in drop
    }


def test_without_a_good_token_nothing_is_shown(client: FlaskClient, person: People) -> None:
    token = person().headers["Authorization"].partition(" ")[2]
    strange = ("", "Bearer", "Bearer x", "Basic eDp5", "Bearer a.b.c", "Bearer \u00e9", "Bearer a b")
    for header in (*strange, f"Basic {token}", f"Bearerx {token}", f" {token}"):
        answer = client.get("/api/auth/me", headers={"Authorization": header})
        assert answer.status_code == 401, header
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.mimetype == "application/problem+json"
    assert client.get("/api/auth/me", headers={"Authorization": f"bearer {token}"}).status_code == 200


def test_the_account_shows_contacts_flags_and_the_plan(
    person: People, frozen: time_machine.Traveller
) -> None:
    camille = person(plan=PlanName.URGENCE_TOTAL)
    add_contact(camille.id, Channel.TELEGRAM, "17")
    shown = camille.get("/api/auth/me").json
    assert UUID(shown["id"]) == camille.id
    assert shown["plan"] == "URGENCE_TOTAL"
    assert shown["planExpiresAt"] == "2026-11-21T09:00:00Z"
    assert shown["telegramChatId"] is True
    assert (shown["notifyEmail"], shown["notifySms"], shown["notifyTelegram"]) == (True, False, True)
    assert (shown["phone"], shown["emailVerified"]) == (None, True)
    assert "passwordHash" not in shown
