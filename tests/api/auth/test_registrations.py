"""An account belongs to the mailbox: who registers a stranger's address first does not keep it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from api.models.base import session
from api.models.contact_linking import TelegramLink
from api.models.login import Login, PendingRegistration
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState, User
from configs.clock import clock
from notifier.message_kind_base import ClaimedRow, TemplateContext
from notifier.message_kinds import kind_of
from tests.api.world import Person, rows

EMAIL = "camille@example.org"
STRANGER, OWNER = "a strangers long password", "the owners own long password"


def register(client: FlaskClient, password: str, **fields: str) -> None:
    body = {"email": EMAIL, "password": password} | fields
    assert client.post("/api/auth/register", json=body).status_code == 202


def log_in(client: FlaskClient, password: str) -> Any:
    return client.post("/api/auth/login", json={"email": EMAIL, "password": password})


def tokens(kind: str = "verify_email") -> list[str]:
    """Return the tokens of the links that the mails so far carry, in order."""
    with session() as s:
        mails = s.scalars(
            sa.select(Notification)
            .where(Notification.kind == kind)
            .order_by(Notification.created_at, Notification.id)
        ).all()
        contact = s.scalars(sa.select(Contact).where(Contact.channel == Channel.EMAIL)).one()
        made = [kind_of(kind).prepare(s, ClaimedRow.of(mail), contact, clock()) for mail in mails]
    return [urlsplit(str(each.url)).path.split("/")[-1] for each in made if isinstance(each, TemplateContext)]


def confirm(client: FlaskClient, token: str) -> Any:
    return client.post("/api/auth/verify-email", json={"token": token})


def test_the_account_takes_the_password_of_the_registration_that_is_confirmed(client: FlaskClient) -> None:
    register(client, STRANGER, plan="URGENCE_24H")
    register(client, OWNER, plan="URGENCE_7J")
    first, second = tokens()
    assert confirm(client, second).json == {"email": EMAIL, "resetToken": None}
    assert log_in(client, STRANGER).status_code == 401
    assert log_in(client, OWNER).status_code == 200
    (user,) = rows(User)
    assert user.wished_plan == "URGENCE_7J"
    assert confirm(client, first).status_code == 200
    assert log_in(client, OWNER).status_code == 200
    assert rows(PendingRegistration) == []


def test_what_the_stranger_set_up_does_not_stay_in_force(client: FlaskClient) -> None:
    register(client, STRANGER, phone="06 12 34 56 78")
    given = log_in(client, STRANGER).json
    with session() as s:
        start = {
            "code_hash": b"x",
            "created_at": clock(),
            "expires_at": clock(),
            "chat_id": "6",
            "chat_name": "M",
        }
        s.add(TelegramLink(user_id=s.scalars(sa.select(User.id)).one(), **start))
    register(client, OWNER)
    confirm(client, tokens()[1])
    headers = {"Authorization": f"Bearer {given['token']}"}
    assert client.get("/api/auth/me", headers=headers).status_code == 401
    refreshed = client.post("/api/auth/refresh", headers={"Authorization": f"Bearer {given['refreshToken']}"})
    assert refreshed.status_code == 401
    assert [contact.channel for contact in rows(Contact)] == [Channel.EMAIL]
    assert {login.ended_because for login in rows(Login)} == {"address_confirmed"}
    assert rows(TelegramLink) == []


def test_a_strangers_later_registration_takes_nothing_from_the_owners(client: FlaskClient) -> None:
    register(client, OWNER)
    register(client, STRANGER)
    confirm(client, tokens()[0])
    assert log_in(client, OWNER).status_code == 200
    assert log_in(client, STRANGER).status_code == 401


def test_the_owners_own_login_survives_the_confirmation(client: FlaskClient) -> None:
    register(client, OWNER, phone="06 12 34 56 78")
    given = log_in(client, OWNER).json
    confirm(client, tokens()[0])
    headers = {"Authorization": f"Bearer {given['token']}"}
    assert client.get("/api/auth/me", headers=headers).status_code == 200
    assert len(rows(Contact)) == 2


def test_a_stranger_who_uses_up_the_mails_does_not_get_the_account(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    for number in range(3):
        frozen.shift(timedelta(minutes=6))
        register(client, f"{STRANGER} {number}")
    frozen.shift(timedelta(minutes=6))
    register(client, OWNER)  # gets no mail: three a day
    assert len(tokens()) == 3
    answer = confirm(client, tokens()[0]).json or {}
    assert log_in(client, f"{STRANGER} 0").status_code == 401
    assert log_in(client, OWNER).status_code == 401
    chosen = client.post(
        "/api/auth/reset-password",
        json={"token": answer["resetToken"], "password": "chosen by the owner now"},
    )
    assert chosen.status_code == 204, chosen.text
    assert log_in(client, "chosen by the owner now").status_code == 200


def test_the_stranger_cannot_change_the_password_behind_the_owners_back(client: FlaskClient) -> None:
    register(client, STRANGER)
    register(client, OWNER)
    headers = {"Authorization": f"Bearer {log_in(client, STRANGER).json['token']}"}
    changed = client.post(
        "/api/auth/change-password", json={"password": "another strangers secret"}, headers=headers
    )
    assert changed.status_code == 200
    confirm(client, tokens()[1])
    assert log_in(client, "another strangers secret").status_code == 401
    assert log_in(client, OWNER).status_code == 200


def test_a_password_changed_before_the_confirmation_stays(client: FlaskClient) -> None:
    register(client, OWNER)
    headers = {"Authorization": f"Bearer {log_in(client, OWNER).json['token']}"}
    body = {"password": "the second one of the owner"}
    assert client.post("/api/auth/change-password", json=body, headers=headers).status_code == 200
    confirm(client, tokens()[0])
    assert log_in(client, "the second one of the owner").status_code == 200
    assert log_in(client, OWNER).status_code == 401


def test_the_link_does_the_same_as_the_route(client: FlaskClient) -> None:
    register(client, STRANGER)
    register(client, OWNER)
    link = f"/l/verify/{tokens()[1]}"
    assert "Confirmer votre adresse" in client.get(link).text
    assert log_in(client, STRANGER).status_code == 200
    assert "Votre adresse est confirmée" in client.post(link).text
    assert log_in(client, STRANGER).status_code == 401
    assert log_in(client, OWNER).status_code == 200


def test_the_link_leads_on_to_a_password_where_none_is_clear(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    for number in range(4):
        register(client, f"{STRANGER} {number}")
    page = client.post(f"/l/verify/{tokens()[2]}").text
    (path,) = [each for each in page.split('"') if each.startswith("/l/reset/")]
    assert "Choisissez un nouveau mot de passe" in client.get(path).text
    assert "Votre mot de passe a changé" in client.post(path, data={"password": OWNER}).text
    assert log_in(client, OWNER).status_code == 200


def test_three_registrations_at_once_are_one_account_and_each_mail_fits_one(
    app: Flask, client: FlaskClient
) -> None:
    passwords = [f"{number} of three long passwords" for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda password: register(app.test_client(), password), passwords))
    assert len(rows(User)) == 1
    assert len(tokens()) == len(rows(PendingRegistration)) == 3
    confirm(client, tokens()[0])
    assert sum(log_in(client, password).status_code == 200 for password in passwords) == 1


def test_strange_tokens_confirm_nothing(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    register(client, OWNER)
    (token,) = tokens()
    for strange in ("", "x", token[:-1], "é", token + "x", "a.b.c"):
        answer = confirm(client, strange)
        assert (answer.status_code, answer.mimetype) == (400, "application/problem+json"), strange
    frozen.shift(timedelta(days=31))
    late = confirm(client, token)
    assert late.status_code == 410
    assert (late.json or {})["type"].endswith(":link-expired")
    assert rows(Contact)[0].verified_at is None


def test_the_token_of_an_address_that_is_gone_is_not_found(client: FlaskClient) -> None:
    register(client, OWNER)
    (token,) = tokens()
    with session() as s:
        s.execute(sa.delete(User))
    assert confirm(client, token).status_code == 404


@pytest.fixture
def camille(person: Callable[..., Person], frozen: time_machine.Traveller) -> Person:
    return person(EMAIL)


def test_a_bounced_address_is_confirmed_again_by_its_owner(client: FlaskClient, camille: Person) -> None:
    with session() as s:
        s.execute(sa.update(Contact).values(verified_at=clock(), state=ContactState.BOUNCED))
    asked = client.post("/api/auth/verify-email/again", headers=camille.headers)
    assert asked.status_code == 202
    (token,) = tokens()
    assert confirm(client, token).status_code == 200
    (contact,) = rows(Contact)
    assert contact.reachable
    assert client.get("/api/auth/me", headers=camille.headers).status_code == 200


def test_a_strangers_registration_sends_nothing_to_a_bounced_address(
    client: FlaskClient, camille: Person
) -> None:
    with session() as s:
        s.execute(sa.update(Contact).values(state=ContactState.BOUNCED))
    register(client, STRANGER)
    assert tokens() == []


def test_the_owner_asks_for_the_mail_again_three_times_a_day_at_most(
    client: FlaskClient, camille: Person, frozen: time_machine.Traveller
) -> None:
    for _ in range(4):
        assert client.post("/api/auth/verify-email/again", headers=camille.headers).status_code == 202
        frozen.shift(timedelta(seconds=301))
    assert len(tokens()) == 3


def test_a_confirmed_address_needs_no_mail(client: FlaskClient, camille: Person) -> None:
    with session() as s:
        s.execute(sa.update(Contact).values(verified_at=clock()))
    assert client.post("/api/auth/verify-email/again", headers=camille.headers).status_code == 202
    assert rows(Notification) == []


def test_the_mail_that_is_asked_for_again_confirms_the_same_registration(client: FlaskClient) -> None:
    register(client, OWNER)
    headers = {"Authorization": f"Bearer {log_in(client, OWNER).json['token']}"}
    with session() as s:
        s.execute(sa.delete(Notification))
    client.post("/api/auth/verify-email/again", headers=headers)
    (token,) = tokens()
    confirm(client, token)
    assert client.get("/api/auth/me", headers=headers).status_code == 200
    assert log_in(client, OWNER).status_code == 200


@pytest.mark.parametrize(
    "spelling", ["CAMILLE@example.org", "\uff43amille@example.org", "camille@EXAMPLE.org\u200b"]
)
def test_a_registration_by_another_spelling_is_one_of_the_same_account(
    client: FlaskClient, spelling: str
) -> None:
    register(client, STRANGER, email=spelling)
    register(client, OWNER)
    confirm(client, tokens()[1])
    assert [each.email_folded for each in rows(User)] == [EMAIL]
    assert log_in(client, OWNER).status_code == 200


@pytest.mark.parametrize(
    "other", ["camille+rdv@example.org", "cam.ille@example.org", "camille@example.org.fr"]
)
def test_a_tag_or_a_dot_makes_another_account(client: FlaskClient, other: str) -> None:
    register(client, STRANGER, email=other)
    register(client, OWNER)
    assert {each.email for each in rows(User)} == {other, EMAIL}


@pytest.mark.parametrize("letter", ["\u0130", "é"])
@pytest.mark.parametrize(
    ("request_line", "fields"),
    [
        ("POST /api/auth/register", {"password": STRANGER}),
        ("PATCH /api/users/profile", {}),
        ("POST /api/support", {"message": "Bonjour"}),
    ],
)
def test_an_address_that_no_provider_takes_is_refused_by_its_letter(
    client: FlaskClient, camille: Person, letter: str, request_line: str, fields: dict[str, str]
) -> None:
    method, path = request_line.split()
    body = {"email": f"cam{letter}lle@example.org", **fields}
    answer = client.open(path, method=method, json=body, headers=camille.headers)
    (error,) = answer.get_json()["errors"]
    assert (answer.status_code, error["path"], error["rule"]) == (422, "email", "email_letter")
    assert letter in error["detail"]
