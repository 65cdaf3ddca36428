"""Rate limits, and whose call it is behind proxies: of the address that they name, if they are ours."""

import os
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import cast
from urllib.parse import urlsplit

import pytest
import redis
from flask import Flask, request
from flask.testing import FlaskClient
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from werkzeug.test import TestResponse

from api.auth.access import sign_challenge
from api.auth.mailbox_claims import sign_reset
from api.ground import limit_counters
from api.ground.errors import ApiError
from api.ground.limit_counters import hit_limit
from api.models.base import engine
from api.models.notification import Notification
from api.models.user import Contact, User
from api.network_addresses import group_network_address
from api.web import gunicorn_hooks
from api.web.gunicorn_hooks import on_starting, post_fork
from api.web.known_places import digest_account
from api.web.rate_limits import (
    count_password_work,
    count_request_of,
    count_wrong_code,
    limit_guesses,
    may_take_kept_turn,
)
from api.web.request_metrics import add_counts
from api.web.stranger_mail import count_new_email
from configs.programs.loop_report import API_COUNTS
from configs.settings import settings
from deploy.local.ports import usual
from deploy.local.programs import commands
from tests.api.messages import render_row
from tests.api.world import count_more
from tests.clients import Browser, People, Person
from tests.factories import EMAIL, PASSWORD, add_account, get, one, rows
from tests.in_turn import in_turn

OF_ACCOUNT = "*/sign-in/100/*"
NOWHERE = "redis://127.0.0.1:1/0"


def log_in(client: FlaskClient, email: str, address: str = "192.0.2.1") -> int:
    body = {"email": email, "password": "x"}
    answer = client.post("/api/auth/login", json=body, environ_base={"REMOTE_ADDR": address})
    return answer.status_code


ACCOUNT = {"email": EMAIL, "password": PASSWORD}
SignIn = Callable[[str], int]


def open_account(client: FlaskClient, *, use_cookies: bool) -> SignIn:
    """Open an account, and return how its owner signs in from an address."""
    add_account()
    own = client.application.test_client(use_cookies=use_cookies)

    def sign_in(address: str) -> int:
        answer = own.post("/api/auth/login", json=ACCOUNT, environ_base={"REMOTE_ADDR": address})
        return answer.status_code

    return sign_in


@pytest.fixture
def owner(client: FlaskClient) -> SignIn:
    """How the owner of an account signs in by a program that keeps no cookies."""
    return open_account(client, use_cookies=False)


@pytest.fixture
def browser(client: FlaskClient) -> SignIn:
    """How the owner of an account signs in by one browser."""
    return open_account(client, use_cookies=True)


def test_an_account_is_tried_ten_times_from_one_address_which_is_told_how_long_to_wait(
    client: FlaskClient,
) -> None:
    tries = [log_in(client, "camille@example.org") for _ in range(11)]
    assert tries == [401] * 10 + [429]
    assert log_in(client, " CAMILLE@example.org") == 429
    assert log_in(client, "robin@example.org") == 401
    here = {"REMOTE_ADDR": "192.0.2.1"}
    answer = client.post("/api/auth/login", json=ACCOUNT, environ_base=here)
    assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
    assert 0 < int(answer.headers["Retry-After"]) <= 900


def test_all_spellings_of_an_address_sign_in_and_are_counted_together(client: FlaskClient) -> None:
    account = {"email": "kamille@bu\u0308cher.example.org", "password": "the owner's own password"}
    client.post("/api/auth/register", json=account)
    assert client.post("/api/auth/login", json=account).status_code == 200
    others = ["Kamille@xn--bcher-kva.example.org", "\u212aamille@BÜCHER.example.org\u200b"]
    for each in others:
        assert client.post("/api/auth/login", json=account | {"email": each}).status_code == 200
    tries = [log_in(client, each) for each in [account["email"], *others] * 4]
    assert tries == [401] * 10 + [429] * 2


def test_a_letter_that_others_fold_finds_no_account_and_tries_to_register_lock_nobody_out(
    client: FlaskClient,
) -> None:
    client.post("/api/auth/register", json=ACCOUNT)
    other = ACCOUNT | {"email": "cam\u0130lle@example.org"}  # some databases fold it to `i`
    assert client.post("/api/auth/login", json=other).status_code == 401
    for _ in range(11):
        client.post("/api/auth/register", json={"email": EMAIL, "password": "x"})
    assert log_in(client, EMAIL) == 401


def test_an_ipv6_subscriber_is_one_address(client: FlaskClient) -> None:
    tries = [log_in(client, "camille@example.org", f"2001:db8:1:2::{number:x}") for number in range(11)]
    assert tries == [401] * 10 + [429]
    assert log_in(client, "camille@example.org", "2001:db8:1:3::1") == 401


def test_guesses_of_strangers_do_not_lock_the_owner_out(client: FlaskClient, owner: SignIn) -> None:
    for number in range(20):
        assert log_in(client, "camille@example.org", f"192.0.2.{number}") == 401
    assert [owner("203.0.113.9") for _ in range(12)] == [200] * 12, "only guesses count"


def test_a_hundred_guesses_from_wherever_leave_the_account_to_addresses_that_it_signed_in_from(
    client: FlaskClient, owner: SignIn, redis_server: redis.Redis
) -> None:
    assert owner("203.0.113.9") == 200
    assert log_in(client, EMAIL) == 401
    count_more(redis_server, OF_ACCOUNT, 98)
    assert [log_in(client, EMAIL, f"192.0.2.{number}") for number in (2, 3)] == [401, 429]
    assert owner("203.0.113.9") == 200
    assert log_in(client, "robin@example.org", "192.0.2.99") == 401
    count_more(redis_server, OF_ACCOUNT, 99)
    assert log_in(client, "robin@example.org", "203.0.113.9") == 429, "it is known to its own account only"


def test_an_address_tries_a_hundred_times_whatever_the_account(
    client: FlaskClient, redis_server: redis.Redis
) -> None:
    assert log_in(client, "0@example.org") == 401
    count_more(redis_server, "*192.0.2.1/auth/100/*", 98)
    assert [log_in(client, f"{number}@example.org") for number in (1, 2)] == [401, 429]
    assert log_in(client, "camille@example.org", "192.0.2.2") == 401
    assert client.get("/api/prefectures", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 200


def test_a_browser_that_is_known_signs_in_from_anywhere_whatever_strangers_guess(
    client: FlaskClient, browser: SignIn, redis_server: redis.Redis
) -> None:
    assert browser("203.0.113.9") == 200
    assert log_in(client, EMAIL) == 401
    count_more(redis_server, OF_ACCOUNT, 99)
    assert log_in(client, "camille@example.org", "198.51.100.7") == 429
    assert browser("198.51.100.7") == 200
    count_more(redis_server, "*203.0.113.9/auth/100/*", 99)
    for email in ("robin@example.org", *[EMAIL] * 10):
        assert log_in(client, email, "203.0.113.9") == 429
    assert browser("203.0.113.9") == 200, "beside a flood from its own network, too"


def test_a_cookie_is_good_for_the_accounts_that_signed_in_by_that_browser(
    client: FlaskClient, redis_server: redis.Redis
) -> None:
    add_account()
    # This browser is Camille's from now on.
    assert client.post("/api/auth/login", json=ACCOUNT).status_code == 200
    other = client.application.test_client()
    other.set_cookie("__Host-known", "eyJpZCI6IjEiLCJhY2NvdW50cyI6W119.x.y")
    for visitor, email in ((client, "robin@example.org"), (other, "camille@example.org")):
        body = {"email": email, "password": "x"}
        guess = visitor.post("/api/auth/login", json=body, environ_base={"REMOTE_ADDR": "192.0.2.1"})
        assert guess.status_code == 401
        count_more(redis_server, OF_ACCOUNT, 99)
        answer = visitor.post("/api/auth/login", json=body, environ_base={"REMOTE_ADDR": "198.51.100.7"})
        assert answer.status_code == 429, email


@in_turn(
    "scope, amount, inside, outside",
    [
        ("auth-56", 200, "2001:db8:1:77::1", "2001:db8:1:177::1"),
        ("auth-48", 400, "2001:db8:1:7777::1", "2001:db8:2:77::1"),
        ("auth-in-all", 240, "198.51.100.7", None),
    ],
)
def test_ranges_of_addresses_and_all_together_have_ceilings_that_keep_no_known_place_out(  # noqa: PLR0917 -- a table's columns
    client: FlaskClient,
    owner: SignIn,
    redis_server: redis.Redis,
    scope: str,
    amount: int,
    inside: str,
    outside: str | None,
) -> None:
    redis_server.flushdb()
    known = "2001:db8:1::1"
    assert owner(known) == 200
    (counter,) = redis_server.keys(f"*{scope}*")
    redis_server.incrby(counter, amount)
    assert log_in(client, "robin@example.org", inside) == 429
    assert outside is None or log_in(client, "robin@example.org", outside) == 401
    assert owner(known) == 200


@in_turn("scope", ["auth-48", "auth-in-all"])
def test_a_flood_leaves_the_way_on_after_a_password_and_the_way_to_a_new_one(
    client: FlaskClient, camille: Person, redis_server: redis.Redis, scope: str
) -> None:
    redis_server.flushdb()
    user = get(User, camille.id)
    challenge, token = sign_challenge(user), sign_reset(one(Contact), user)
    log_in(client, "robin@example.org", "2001:db8:1:1::1")
    (counter,) = redis_server.keys(f"*{scope}*")
    redis_server.incrby(counter, 400)

    def post(path: str, **body: str) -> int:
        here = {"REMOTE_ADDR": "2001:db8:1:2::1"}
        return client.post(f"/api/auth/{path}", json=body, environ_base=here).status_code

    assert post("login", email="robin@example.org", password="x") == 429
    assert post("reset-password", token="forged", password=PASSWORD) == 429
    assert post("login/totp", challenge=challenge, code="123456") == 401
    if scope == "auth-in-all":
        assert post("forgot-password", email=camille.email) == 202
    assert post("reset-password", token=token, password="vingt-deux tramways bleus") == 204


def test_an_account_that_nobody_confirmed_is_known_nowhere(
    client: FlaskClient, redis_server: redis.Redis
) -> None:
    client.post("/api/auth/register", json=ACCOUNT)
    answer = client.post("/api/auth/login", json=ACCOUNT)
    assert (answer.status_code, answer.headers.getlist("Set-Cookie")) == (200, [])
    assert redis_server.keys("api:known-address:*") == []


def test_who_is_signed_in_is_counted_by_the_account_and_a_refused_token_by_its_address(
    client: FlaskClient, person: People, redis_server: redis.Redis
) -> None:
    camille, robin = person(), person("robin@example.org")

    def ask(headers: dict[str, str], address: str = "192.0.2.1") -> TestResponse:
        return client.get("/api/auth/me", headers=headers, environ_base={"REMOTE_ADDR": address})

    def use_up(amount: int) -> None:
        (counter,) = redis_server.keys("api:throttle*")
        redis_server.incrby(counter, amount)

    assert ask(camille.headers).status_code == 200
    use_up(300)
    refused = ask(camille.headers, "192.0.2.2")
    assert (refused.status_code, (refused.json or {})["type"].rpartition(":")[2]) == (
        429,
        "too-many-requests",
    )
    assert 0 < int(refused.headers["Retry-After"]) <= 300
    assert ask(robin.headers).status_code == 200
    redis_server.flushdb()
    assert ask({"Authorization": "Bearer a.b.c"}).status_code == 401
    use_up(1000)
    for headers in ({}, {"Authorization": "Bearer a.b.c"}):
        assert ask(headers).status_code == 429
        assert ask(headers, "192.0.2.2").status_code == 401
    assert ask(camille.headers).status_code == 200


def test_an_account_proves_thirty_passwords_in_a_quarter_of_an_hour_from_wherever(
    client: FlaskClient, person: People, redis_server: redis.Redis
) -> None:
    camille, robin = person(), person("robin@example.org")

    def prove(who: Person, address: str) -> int:
        here = {"REMOTE_ADDR": address}
        body = {"password": "wrong"}
        return client.post("/api/auth/prove", json=body, headers=who.headers, environ_base=here).status_code

    assert prove(camille, "192.0.2.1") == 403
    count_more(redis_server, f"*/password-work/{camille.id}/30/15/minute", 28)
    assert [prove(camille, f"192.0.2.{number}") for number in (2, 3)] == [403, 429]
    assert prove(robin, "192.0.2.1") == 403


@in_turn(
    "limit, same_account", [("*/kept-turn/*/60/15/minute", True), ("*/kept-turn/*/240/15/minute", False)]
)
def test_the_kept_turns_of_an_account_and_of_a_network_end(
    app: Flask, redis_server: redis.Redis, limit: str, same_account: bool
) -> None:
    """Beyond them people wait with strangers. By a page this shows only while hundreds hash at once."""
    redis_server.flushdb()
    most = int(limit.split("/")[3])
    other = EMAIL if same_account else "robin@example.org"
    with app.test_request_context(environ_base={"REMOTE_ADDR": "2001:db8:1:2::3"}):
        assert may_take_kept_turn(EMAIL)
        count_more(redis_server, limit, most - 2)
        assert [may_take_kept_turn(other) for _ in range(2)] == [True, False]
    with app.test_request_context(environ_base={"REMOTE_ADDR": "2001:db8:2:2::3"}):
        assert may_take_kept_turn(EMAIL) is not same_account, "an account is counted from everywhere"


def test_a_deletion_leaves_no_counter_of_the_account(
    app: Flask, camille: Person, redis_server: redis.Redis
) -> None:
    """Whatever was counted of it: a counter that a later limit adds is seen here once its function is called."""
    user = get(User, camille.id)
    with app.test_request_context(environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        count_request_of(user.id)
        count_password_work(user.id)
        may_take_kept_turn(user.email)
        count_wrong_code(user)
        count_new_email(user.email)
        with suppress(ApiError), limit_guesses(user.id):
            raise ApiError(403, "wrong-proof", "x")
    browser = Browser(app)
    browser.give_login(user.id)
    assert browser.client.get("/notifications/direct").status_code == 200

    def list_counters() -> set[bytes]:
        about = str(user.id).encode(), digest_account(user.email).encode()
        return {key for key in redis_server.scan_iter() if any(each in key for each in about)}

    assert len(list_counters()) == 9
    assert camille.delete("/api/users/me", {"understood": True}).status_code == 204
    assert list_counters() == set()


def test_everything_together_is_bounded_by_address(client: FlaskClient, redis_server: redis.Redis) -> None:
    client.get("/api/prefectures")
    (counter,) = redis_server.keys("api:throttle*")
    redis_server.incrby(counter, 1000)
    refused = client.get("/api/docs")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 901
    assert client.get("/api/health/live").status_code == 200
    assert client.options("/api/alerts").status_code == 200


def test_redis_learns_no_address_of_anybody(
    client: FlaskClient, redis_server: redis.Redis, owner: SignIn
) -> None:
    log_in(client, "camille@example.org")
    owner("203.0.113.9")
    keys = redis_server.keys("*")
    assert not [key for key in keys if b"camille" in key]
    assert not [key for key in keys if b"known" in key and b"203.0" in key]


@pytest.fixture
def without_redis(database: str, make_app: Callable[[], Flask], settings_env: Callable[..., None]) -> Flask:
    settings_env(REDIS_URL=NOWHERE)
    return make_app()


@pytest.mark.journey
def test_without_redis_nobody_signs_in_and_the_rest_goes_on_and_is_counted(without_redis: Flask) -> None:
    client = without_redis.test_client()
    for path in ("login", "login/totp", "register", "forgot-password", "reset-password", "verify-email"):
        answer = client.post(f"/api/auth/{path}", json={"email": "a@example.org", "password": "x" * 12})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert (answer.json or {})["type"].endswith(":unavailable")
    assert client.get("/l/stop.x").status_code == 400
    answers = [client.get("/api/prefectures").status_code for _ in range(1001)]
    assert answers == [200] * 999 + [429] * 2


def test_without_redis_who_is_signed_in_goes_on(
    client: FlaskClient, camille: Person, settings_env: Callable[..., None]
) -> None:
    settings_env(REDIS_URL=NOWHERE)
    lonely = client.application.test_client()
    assert lonely.get("/api/auth/me", headers=camille.headers).status_code == 200


def test_a_unix_socket_reaches_redis_too(
    make_app: Callable[[], Flask], settings_env: Callable[..., None]
) -> None:
    settings_env(REDIS_URL="unix:///nowhere/redis.sock")
    assert make_app().test_client().get("/api/health/live").status_code == 200


def test_a_redis_that_hangs_delays_one_request_and_not_each(
    monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections and never answers
        settings_env(REDIS_URL=f"redis://127.0.0.1:{hanging.getsockname()[1]}/0")
        asked: list[object] = []
        monkeypatch.setattr(limit_counters, "PATIENCE", 0.05)
        monkeypatch.setattr(limit_counters.log, "warning", lambda *_, **__: asked.append(_))
        for _ in range(3):
            hit_limit("1 per minute", "camille")
        assert len(asked) == 1
        limit_counters._get_outage.cache_clear()
        hit_limit("1 per minute", "camille")
        assert len(asked) == 2


EVIL = "evil.example"
STRANGER = "203.0.113.9"
# What products put in front of a server write, and what a visitor may therefore try.
SPOOFED = {
    "X-Forwarded-For": STRANGER,
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Server": EVIL,
    "Forwarded": f"for={STRANGER};host={EVIL};proto=https",
    "X-Real-IP": STRANGER,
    "X-Client-IP": STRANGER,
    "X-Cluster-Client-IP": STRANGER,
    "True-Client-IP": STRANGER,
    "CF-Connecting-IP": STRANGER,
    "X-Host": EVIL,
    "X-Original-URL": "/evil",
    "X-Rewrite-URL": "/evil",
}
# What deploy/nginx/nginx.conf writes; all else of the above it lets through.
WRITTEN_BY_NGINX = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Host": "rdv.test",
    "X-Forwarded-Proto": "https",
    "Forwarded": "",
    "X-Real-IP": "",
}


@pytest.fixture
def behind(
    database: str, make_app: Callable[[], Flask], settings_env: Callable[..., None]
) -> Callable[[str], FlaskClient]:
    """Make an app behind so many proxies, with a page that tells what it takes a request for."""

    def make(hops: str) -> FlaskClient:
        settings_env(PROXY_HOPS=hops)
        app = make_app()
        app.add_url_rule(
            "/who",
            view_func=lambda: [request.remote_addr, request.host_url, request.script_root, request.path],
        )
        return app.test_client()

    return make


@in_turn("hops, believed", [("0", "127.0.0.1"), ("1", STRANGER), ("2", "198.51.100.7")])
def test_only_the_named_number_of_proxies_is_believed_and_behind_nginx_only_what_it_writes(
    behind: Callable[[str], FlaskClient], hops: str, believed: str
) -> None:
    client = behind(hops)
    forwarded = {"X-Forwarded-For": f"198.51.100.7, {STRANGER}"}
    assert client.get("/who", headers=forwarded).json[0] == believed  # type: ignore[index]
    if hops == "0":
        told = client.get("/who", headers=SPOOFED).json
        assert told == ["127.0.0.1", "http://localhost/", "", "/who"]
    elif hops == "1":
        told = client.get("/who", headers=SPOOFED | WRITTEN_BY_NGINX).json
        assert told == ["192.0.2.1", "https://rdv.test/", "", "/who"]


@pytest.mark.parametrize("hops", ["0", "1"])
def test_guesses_are_counted_by_the_address_that_nobody_can_choose(
    behind: Callable[[str], FlaskClient], hops: str
) -> None:
    client = behind(hops)
    believed = WRITTEN_BY_NGINX if hops == "1" else {}

    def guess(number: int) -> int:
        spoofed = {name: value.replace(STRANGER, f"203.0.113.{number}") for name, value in SPOOFED.items()}
        # a proxy that adds to what a visitor sent would write its own last
        believed_for = {"X-Forwarded-For": f"203.0.113.{number}, 192.0.2.1"} if hops == "1" else {}
        body = {"email": EMAIL, "password": "x"}
        return client.post(
            "/api/auth/login", json=body, headers=spoofed | believed | believed_for
        ).status_code

    assert [guess(number) for number in range(11)] == [401] * 10 + [429]


@pytest.mark.parametrize("hops", ["0", "1"])
def test_links_in_mails_and_redirects_take_no_host_from_a_header(
    behind: Callable[[str], FlaskClient], hops: str
) -> None:
    client = behind(hops)
    headers = SPOOFED | {"Host": EVIL, "Origin": f"https://{EVIL}", "Referer": f"https://{EVIL}/"}
    for path, body in (("register", {"password": PASSWORD}), ("forgot-password", {})):
        answer = client.post(f"/api/auth/{path}", json={"email": EMAIL} | body, headers=headers)
        assert answer.status_code == 202
    ours = {urlsplit(settings().api_url).netloc, urlsplit(settings().frontend_url).netloc}
    mails = {mail.kind: render_row(mail) for mail in rows(Notification)}
    assert set(mails) == {"verify_email", "password_reset"}
    for shown in mails.values():
        text = f"{shown.subject} {shown.text} {shown.html}"
        assert EVIL not in text
        assert set(re.findall(r"https?://([^/\s\"'<>]+)", text)) <= ours
        assert f"{settings().api_url}/l/" in text
    for path in ("/dashboard", "//login", "/login/", "/departements//bobigny_93", "/who/", "/alertes/x"):
        answer = client.get("/", headers=SPOOFED | {"Host": EVIL}, environ_overrides={"PATH_INFO": path})
        assert EVIL not in answer.headers.get("Location", ""), path
        assert EVIL not in answer.text, path


def test_gunicorn_is_started_with_these_hooks() -> None:
    (found,) = re.findall(r"--config python:(\S+)", " ".join(commands(usual(any_port=True))["api"]))
    assert found == on_starting.__module__


def test_a_forked_worker_counts_its_requests_and_statements(app: Flask, redis_server: redis.Redis) -> None:
    server = SimpleNamespace(app=SimpleNamespace(wsgi=lambda: app))
    add_counts()  # of the tests before, which a fork would take along
    redis_server.delete(API_COUNTS)
    child = os.fork()
    if not child:  # a worker, which never returns to this test
        engine().dispose(close=False)  # connections of the process before
        post_fork(server, None)
        status = app.test_client().get("/api/prefectures").status_code
        add_counts()
        os._exit(status != 200)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stored = cast("dict[bytes, bytes]", redis_server.hgetall(API_COUNTS))
    counted = {name.decode(): float(value) for name, value in stored.items()}
    assert counted["http_requests_total /api/prefectures GET 200"] == 1
    assert counted["http_request_seconds_count /api/prefectures"] == 1
    assert counted["database_query_seconds_count"] >= 1


@in_turn("peer", ["127.0.0.1", "192.0.2.1"])
def test_no_peer_is_believed_about_scheme_and_path(peer: str) -> None:
    """PROXY_HOPS alone decides, in the app."""
    config = Config()
    for name in config.settings.keys() & vars(gunicorn_hooks).keys():
        config.set(name, getattr(gunicorn_hooks, name))
    sent = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Ssl": "on",
        "SCRIPT_NAME": "/evil",
        "PATH_INFO": "/evil",
    }
    lines = ["GET /login HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in sent.items())]
    raw = "\r\n".join([*lines, "", ""]).encode()
    read = next(RequestParser(config, iter([raw]), (peer, 5000)))
    assert (read.scheme, read.path) == ("http", "/login")
    assert not {"SCRIPT_NAME", "PATH_INFO"} & {name for name, _ in read.headers}


@in_turn(
    "address, group",
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # a socket for both versions
        ("nobody", "nobody"),
    ],
)
def test_the_addresses_of_one_subscriber_are_one(address: str, group: str) -> None:
    assert group_network_address(address) == group
