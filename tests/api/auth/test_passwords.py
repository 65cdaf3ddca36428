"""A new password: by a link in a mail, or by its signed-in owner."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from flask.testing import FlaskClient

from api.models.login import Login
from api.models.notification import Notification
from api.models.user import Contact, User
from configs.ground.clock import clock
from tests.api.messages import list_tokens
from tests.api.world import Door, count_more
from tests.factories import PASSWORD, add_account, change, rows

EMAIL = "camille@example.org"
NEW = "quite another long password"


@pytest.fixture
def account(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    """Make an account with a confirmed address."""
    add_account(EMAIL)


pytestmark = pytest.mark.usefixtures("account")


def log_in(client: FlaskClient, password: str = PASSWORD, address: str = "127.0.0.1") -> Any:
    body = {"email": EMAIL, "password": password}
    return client.post("/api/auth/login", json=body, environ_base={"REMOTE_ADDR": address})


def forget(client: FlaskClient, email: str = EMAIL, address: str = "127.0.0.1") -> Any:
    return client.post(
        "/api/auth/forgot-password", json={"email": email}, environ_base={"REMOTE_ADDR": address}
    )


def reset(client: FlaskClient, token: str, password: str = NEW) -> Any:
    return client.post("/api/auth/reset-password", json={"token": token, "password": password})


def bearer(answer: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json['token']}"}


def test_a_forgotten_password_is_replaced_by_a_link(client: FlaskClient, door: Door) -> None:
    old = log_in(client)
    assert forget(client).status_code == 202
    (token,) = list_tokens("password_reset")
    assert reset(client, token).status_code == 204
    assert log_in(client).status_code == 401
    assert log_in(client, NEW).status_code == 200
    assert client.get("/api/auth/me", headers=bearer(old)).status_code == 401
    kinds = [row.kind for row in sorted(rows(Notification), key=lambda row: row.id)]
    assert kinds[:2] == ["password_reset", "password_changed"]
    (user,) = rows(User)
    assert user.token_version == 1


def test_neither_the_answer_nor_its_time_tells_whether_there_is_an_account(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> None:
    settings_env(EVEN_ANSWER_SECONDS="60")
    waits: list[float] = []
    monkeypatch.setattr("api.auth.service.time.sleep", waits.append)
    known, unknown = forget(client), forget(client, "nobody@example.org")
    assert (known.status_code, known.json) == (unknown.status_code, unknown.json)
    assert known.status_code == 202
    assert len(rows(Notification)) == 1
    assert [50 < each <= 60 for each in waits] == [True, True]


def test_a_link_works_once_and_for_an_hour(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    forget(client)
    (token,) = list_tokens("password_reset")
    assert reset(client, token).status_code == 204
    assert reset(client, token, "a third very long password").status_code == 404
    assert log_in(client, NEW).status_code == 200
    frozen.shift(timedelta(minutes=6))
    forget(client)
    token = list_tokens("password_reset")[-1]
    frozen.shift(timedelta(hours=1, seconds=1))
    assert reset(client, token).status_code == 410


def test_the_page_behind_the_link_works_without_a_front_end(client: FlaskClient) -> None:
    forget(client)
    (token,) = list_tokens("password_reset")
    link = f"/l/{token}"
    assert 'name="password"' in client.get(link).text
    assert log_in(client).status_code == 200
    weak = client.post(link, data={"password": "motdepasse1234"})
    assert (weak.status_code, "trop facile à deviner" in weak.text) == (422, True)
    assert client.post(link, data={}).status_code == 422
    done = client.post(link, data={"password": NEW})
    assert (done.status_code, done.headers["Cache-Control"]) == (200, "no-store")
    assert "Votre mot de passe a changé" in done.text
    assert log_in(client, NEW).status_code == 200
    assert "déjà servi" in client.get(link).text
    assert "déjà servi" in client.post(link, data={"password": NEW}).text
    assert client.get("/l/reset.x").status_code == 400


def test_a_reset_by_link_confirms_an_address_that_was_not(client: FlaskClient) -> None:
    change(Contact, verified_at=None)
    forget(client)
    (token,) = list_tokens("password_reset")
    assert reset(client, token).status_code == 204
    assert rows(Contact)[0].verified_at is not None


def test_a_stranger_cannot_use_up_the_owners_way_to_a_new_password(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    for minute in range(0, 12 * 60, 10):  # each ten minutes, from ever other addresses
        forget(client, address=f"192.0.2.{minute % 250}")
        frozen.shift(timedelta(minutes=10))
    assert len(rows(Notification)) <= 30
    assert forget(client, address="203.0.113.9").status_code == 202
    newest = max(row.created_at for row in rows(Notification))
    assert clock() - newest <= timedelta(minutes=30)
    assert reset(client, list_tokens("password_reset")[-1]).status_code == 204


def test_who_is_locked_out_by_strangers_signs_in_after_a_reset(
    client: FlaskClient, redis_server: redis.Redis
) -> None:
    log_in(client, "wrong", "192.0.2.1")
    count_more(redis_server, "*/sign-in/100/*", 99)
    assert log_in(client, PASSWORD, "203.0.113.9").status_code == 429
    assert forget(client, address="203.0.113.9").status_code == 202
    token = list_tokens("password_reset")[-1]
    body = {"token": token, "password": NEW}
    done = client.post("/api/auth/reset-password", json=body, environ_base={"REMOTE_ADDR": "203.0.113.9"})
    assert done.status_code == 204
    assert log_in(client, NEW, "203.0.113.9").status_code == 200


def test_a_changed_password_ends_the_other_logins_and_renews_this_one(
    client: FlaskClient, door: Door
) -> None:
    mine, other = log_in(client), log_in(client)
    changed = client.post("/api/auth/change-password", json={"password": NEW}, headers=bearer(mine))
    assert changed.status_code == 200, changed.text
    for old in (mine, other):
        assert client.get("/api/auth/me", headers=bearer(old)).status_code == 401
    assert client.get("/api/auth/me", headers=bearer(changed)).status_code == 200
    refreshed = client.post(
        "/api/auth/refresh", headers={"Authorization": f"Bearer {(changed.json or {})['refreshToken']}"}
    )
    assert refreshed.status_code == 200
    stale = client.post("/api/auth/refresh", headers={"Authorization": f"Bearer {mine.json['refreshToken']}"})
    assert stale.status_code == 401
    assert [login.ended_because for login in sorted(rows(Login), key=lambda row: row.id)] == [
        None,
        "new_password",
    ]
    assert [row.kind for row in rows(Notification)] == ["password_changed"]
    assert log_in(client, NEW).status_code == 200


def test_changing_the_password_needs_a_recent_proof_and_a_strong_one(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    headers = bearer(log_in(client))
    weak = client.post("/api/auth/change-password", json={"password": "motdepasse1234"}, headers=headers)
    assert weak.status_code == 422
    frozen.shift(timedelta(minutes=5, seconds=1))
    late = client.post("/api/auth/change-password", json={"password": NEW}, headers=headers)
    assert (late.json or {})["type"].endswith(":recent-proof-needed")
    assert log_in(client).status_code == 200
