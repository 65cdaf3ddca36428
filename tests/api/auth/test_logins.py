"""Logins: opening, refreshing, listing and ending them."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from api.accounts import passwords
from api.auth.logins import LONGEST, name_browser
from api.jobs import schedule as jobs
from api.models.base import session
from api.models.login import EndedBecause, Login
from api.models.notification import Notification
from api.models.user import Channel, Contact, Role, User
from configs.ground.clock import clock
from configs.ground.signing import SKEW
from tests.api.world import Door
from tests.clients import Browser, People, problem
from tests.factories import PASSWORD, add_account, change, get, rows
from tests.in_turn import in_turn
from tests.waiting import at_once

CAMILLE = {"email": "camille@example.org", "password": PASSWORD}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def account(client: FlaskClient) -> UUID:
    """Give an account with a confirmed address."""
    return add_account(CAMILLE["email"]).id


def log_in(client: FlaskClient, **headers: str) -> dict[str, str]:
    answer = client.post("/api/auth/login", json=CAMILLE, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json or {}
    return found


def refresh(client: FlaskClient, token: str) -> Any:
    return client.post("/api/auth/refresh", headers=bearer(token))


def opens(client: FlaskClient, token: str) -> bool:
    return client.get("/api/auth/me", headers=bearer(token)).status_code == 200


@pytest.mark.usefixtures("account")
def test_a_refresh_gives_new_tokens_of_the_same_login_and_none_is_stored(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    first = log_in(client)
    assert problem(refresh(client, first["token"]))[1] == "not-signed-in", "an access token does not refresh"
    frozen.shift(timedelta(minutes=14))
    second = refresh(client, first["refreshToken"]).json or {}
    assert set(second) == {"token", "refreshToken", "expiresAt"}
    assert second["expiresAt"] == "2026-11-20T09:29:00Z"
    assert second["refreshToken"] != first["refreshToken"]
    assert opens(client, second["token"])
    (login,) = rows(Login)
    stored = {login.token_hash, login.previous_hash}
    assert len(stored) == 2
    assert not [each for each in stored for given in (first, second) if each in given["refreshToken"]]


@pytest.mark.usefixtures("account")
def test_two_tabs_get_the_same_successor_for_ten_seconds(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    first = log_in(client)
    frozen.shift(timedelta(minutes=5, microseconds=1))
    second = refresh(client, first["refreshToken"]).json or {}
    frozen.shift(timedelta(seconds=10))
    again = refresh(client, first["refreshToken"]).json or {}
    assert again["refreshToken"] == second["refreshToken"]
    assert opens(client, again["token"])


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("seconds", [11, -11])  # later, or by a clock that was ahead when it was used
def test_a_stolen_refresh_token_ends_the_login_and_its_owner_is_told(
    client: FlaskClient, door: Door, frozen: time_machine.Traveller, seconds: int
) -> None:
    stolen = log_in(client, **{"User-Agent": FIREFOX})["refreshToken"]
    mine = refresh(client, stolen).json or {}
    frozen.shift(timedelta(seconds=seconds))
    answer = refresh(client, stolen)
    assert (answer.status_code, problem(answer)[1]) == (401, "token-reused")
    assert not opens(client, mine["token"])
    assert problem(refresh(client, mine["refreshToken"]))[1] == "token-revoked"
    (login,) = rows(Login)
    assert login.ended_because is EndedBecause.TOKEN_REUSED
    (mail,) = rows(Notification)
    assert (mail.kind, mail.params["browser"]) == ("login_ended", "Firefox, Linux")
    assert door.nudged[-1] == mail.id


@pytest.mark.usefixtures("account")
def test_a_database_restored_from_an_older_state_is_no_theft(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    first = log_in(client)
    second = refresh(client, first["refreshToken"]).json or {}
    (then,) = rows(Login)
    frozen.shift(timedelta(minutes=14))
    third = refresh(client, second["refreshToken"]).json or {}
    with session() as s:
        s.merge(then)
    assert problem(refresh(client, third["refreshToken"]))[1] == "token-revoked"
    (login,) = rows(Login)
    assert (login.ended_at, rows(Notification)) == (None, [])


@pytest.mark.usefixtures("account")
def test_parallel_refreshes_leave_one_valid_login(app: Flask, client: FlaskClient) -> None:
    token = log_in(client)["refreshToken"]
    answers = at_once(lambda _: refresh(app.test_client(), token), range(6))
    assert {answer.status_code for answer in answers} == {200}
    (successor,) = {answer.json["refreshToken"] for answer in answers}
    assert all(opens(client, answer.json["token"]) for answer in answers)
    (login,) = rows(Login)
    assert login.ended_at is None
    assert refresh(client, successor).status_code == 200


@pytest.mark.usefixtures("account")
def test_a_login_expires_a_week_after_its_last_use_and_lasts_ninety_days_at_most(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    token = log_in(client)["refreshToken"]
    frozen.shift(timedelta(days=6))
    token = (refresh(client, token).json or {})["refreshToken"]
    frozen.shift(timedelta(days=7))
    assert refresh(client, token).status_code == 401
    token = log_in(client)["refreshToken"]
    for _ in range(14):
        frozen.shift(timedelta(days=6))
        answer = refresh(client, token)
        assert answer.status_code == 200
        token = answer.json["refreshToken"]
    frozen.shift(timedelta(days=6, seconds=SKEW))
    assert refresh(client, token).status_code == 401


def test_logging_out_ends_this_login_only_and_everywhere_those_of_the_user(
    client: FlaskClient, account: UUID, person: People
) -> None:
    first, one, other = log_in(client), log_in(client), log_in(client)
    robin = person("robin@example.org")
    assert client.post("/api/auth/logout", headers=bearer(first["token"])).status_code == 204
    assert not opens(client, first["token"])
    assert refresh(client, first["refreshToken"]).status_code == 401
    assert opens(client, one["token"])
    assert client.post("/api/auth/logout-all", headers=bearer(one["token"])).status_code == 204
    assert not opens(client, one["token"])
    assert not opens(client, other["token"])
    assert refresh(client, other["refreshToken"]).status_code == 401
    assert get(User, account).token_version == 1
    assert robin.get("/api/auth/me").status_code == 200
    assert opens(client, log_in(client)["token"])


@pytest.mark.usefixtures("account")
def test_the_logins_are_listed_and_one_of_them_is_ended(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    one = log_in(client, **{"User-Agent": FIREFOX})
    frozen.shift(timedelta(minutes=1))
    other = log_in(client, **{"User-Agent": "curl/8.5.0"})
    listed = (client.get("/api/auth/logins", headers=bearer(other["token"])).json or {})["items"]
    assert [(each["browser"], each["current"]) for each in listed] == [
        ("curl", True), ("Firefox, Linux", False),
    ]  # fmt: skip
    assert listed[1]["createdAt"] == listed[1]["lastUsedAt"] == "2026-11-20T09:00:00Z"
    assert listed[1]["expiresAt"] == "2026-11-27T09:00:00Z"
    path = f"/api/auth/logins/{listed[1]['id']}"
    assert client.delete(path, headers=bearer(other["token"])).status_code == 204
    assert not opens(client, one["token"])
    assert client.delete(path, headers=bearer(other["token"])).status_code == 404
    assert len((client.get("/api/auth/logins", headers=bearer(other["token"])).json or {})["items"]) == 1


def test_the_token_of_one_user_with_the_login_of_another_is_refused(
    app: Flask, client: FlaskClient, person: People
) -> None:
    from api.web.auth import issue_tokens

    camille, robin = person(), person("robin@example.org")
    with session() as s, app.app_context():
        crossed = issue_tokens(s.get_one(User, camille.id), s.get_one(Login, robin.login_id), "x")
    assert not opens(client, crossed.access)
    assert refresh(client, crossed.refresh).status_code == 401


@pytest.mark.usefixtures("account")
def test_the_first_login_is_not_reported_one_from_elsewhere_is(client: FlaskClient, door: Door) -> None:
    log_in(client, **{"User-Agent": FIREFOX})
    log_in(client, **{"User-Agent": FIREFOX})
    assert rows(Notification) == []
    log_in(client, **{"User-Agent": "curl/8.5.0"})
    (mail,) = rows(Notification)
    assert (mail.kind, mail.channel, mail.params["browser"]) == ("new_sign_in", Channel.EMAIL, "curl")
    assert door.nudged[-1] == mail.id
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    other = client.application.test_client()
    other.post("/api/auth/login", json=CAMILLE, headers={"User-Agent": FIREFOX}, environ_base=elsewhere)
    assert [each.kind for each in rows(Notification)] == ["new_sign_in"] * 2


def test_a_known_browser_is_no_alarm_on_another_network_and_any_other_is(app: Flask) -> None:
    add_account()
    known = Browser(app)

    def sign_in(browser: Browser, address: str) -> int:
        """Sign in again where the login has ended; return how many logins were reported so far."""
        browser.client.environ_base["REMOTE_ADDR"] = address
        for name in ("__Host-access", "__Host-refresh"):
            browser.client.delete_cookie(name)
        browser.get("/login")
        browser.send("/login", email=CAMILLE["email"], password=CAMILLE["password"])
        assert browser.status == 303
        return len(rows(Notification, Notification.kind == "new_sign_in"))

    for address in ("192.0.2.10", "198.51.100.7", "203.0.113.9", "2001:db8::1"):
        assert sign_in(known, address) == 0
    assert sign_in(Browser(app), "198.51.100.8") == 1
    other = Browser(app)
    signed, _, signature = known.client.get_cookie("__Host-known").value.rpartition(".")  # type: ignore[union-attr]
    # From its first character on: the last one of base64 has bits that say nothing.
    other.client.set_cookie("__Host-known", f"{signed}.{signature[::-1]}")
    assert sign_in(other, "198.51.100.9") == 2, "a cookie that nobody signed makes no browser known"


@pytest.mark.usefixtures("account")
def test_a_login_of_an_account_that_slept_is_reported(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    change(User, created_at=clock())  # not by PostgreSQL's clock, which runs on
    log_in(client, **{"User-Agent": FIREFOX})
    frozen.shift(timedelta(days=98))
    assert jobs.apply_retention()["logins"] == 1
    log_in(client, **{"User-Agent": FIREFOX})
    assert [each.kind for each in rows(Notification)] == ["new_sign_in"]


def test_the_password_proves_who_it_is_for_five_minutes(
    client: FlaskClient, account: UUID, frozen: time_machine.Traveller
) -> None:
    headers = bearer(log_in(client)["token"])
    frozen.shift(timedelta(minutes=5, seconds=1))
    late = client.post("/api/auth/totp", headers=headers)
    assert (late.status_code, problem(late)[1]) == (403, "recent-proof-needed")
    proven = client.post("/api/auth/prove", json={"password": PASSWORD}, headers=headers)
    assert proven.json == {"provenUntil": "2026-11-20T09:10:01Z"}
    assert client.post("/api/auth/totp", headers=headers).status_code == 200


@pytest.mark.usefixtures("account")
def test_a_wrong_proof_is_refused_and_ten_are_enough_and_nothing_else_counts_as_a_guess(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bearer(log_in(client)["token"])
    with monkeypatch.context() as patch:
        places = {kept: threading.BoundedSemaphore(1) for kept in (False, True)}
        patch.setattr(passwords, "_places", places)
        assert all(each.acquire() for each in places.values())
        for _ in range(11):
            busy = client.post("/api/auth/prove", json={"password": PASSWORD}, headers=headers)
            assert (busy.status_code, problem(busy)[1]) == (503, "busy")
    for _ in range(10):
        answer = client.post("/api/auth/prove", json={"password": "wrong"}, headers=headers)
        assert (answer.status_code, problem(answer)[1]) == (403, "wrong-proof")
    last = client.post("/api/auth/prove", json={"password": PASSWORD}, headers=headers)
    assert last.status_code == 429
    assert 0 < int(last.headers["Retry-After"]) <= 900


def test_a_login_of_the_staff_ends_after_half_an_hour_without_use(
    client: FlaskClient, account: UUID, frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(ACCESS_TOKEN_SECONDS="86400")
    change(User, role=Role.ADMIN)
    given = log_in(client)
    for _ in range(3):
        frozen.shift(timedelta(minutes=29))
        assert opens(client, given["token"])
    frozen.shift(timedelta(minutes=30, seconds=1))
    assert not opens(client, given["token"])
    assert refresh(client, given["refreshToken"]).status_code == 401


def test_logins_that_ended_long_ago_are_dropped(
    client: FlaskClient, account: UUID, frozen: time_machine.Traveller
) -> None:
    client.post("/api/auth/register", json={"email": "robin@example.org", "password": PASSWORD})
    change(Contact, verified_at=clock())
    ended = log_in(client)
    client.post("/api/auth/logout", headers=bearer(ended["token"]))
    log_in(client)
    frozen.shift(timedelta(days=90, seconds=1))
    log_in(client)
    counts = jobs.apply_retention()
    assert (counts["logins"], counts["registrations"]) == (1, 1)
    frozen.shift(timedelta(days=8))
    assert jobs.apply_retention()["logins"] == 1
    assert len(rows(Login)) == 1


@pytest.mark.usefixtures("account")
def test_a_token_of_a_login_that_ended_uses_up_nothing_of_its_owners(
    client: FlaskClient, redis_server: redis.Redis
) -> None:
    stolen, mine = log_in(client), log_in(client)
    client.post("/api/auth/logout", headers=bearer(stolen["token"]))
    redis_server.flushdb()
    for _ in range(3):
        assert not opens(client, stolen["token"])
        assert refresh(client, stolen["refreshToken"]).status_code == 401
    assert opens(client, mine["token"])
    (counter,) = redis_server.keys("api:throttle*/user/*")
    assert redis_server.get(counter) == b"1"


_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"


@in_turn(
    "agent, name",
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox, Windows",
        ),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/140.0.0.0", "Edge, Windows"),
        (f"Mozilla/5.0 (Linux; Android 14) {_CHROME} Mobile Safari/537.36", "Chrome, Android"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari, iPhone",
        ),
        ("curl/8.5.0", "curl"),
        ("okhttp", "okhttp"),
        ("", ""),
        ("\u200b", ""),
    ],
)
def test_a_browser_has_a_name_that_its_owner_knows(agent: str, name: str) -> None:
    assert name_browser(agent) == name


@pytest.mark.journey
@given(st.text())
def test_no_agent_is_too_strange_or_too_long(agent: str) -> None:
    assert len(name_browser(agent)) <= LONGEST
