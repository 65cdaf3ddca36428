"""Doors that need no login: each declares its limits, each limit bites; people who share a network address keep nobody out."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from api.models.user import User
from api.pages.links.routes import VIEWS
from api.web.doors import Door
from api.web.openapi import needs_token
from configs.ground.signing import Link, StopAlerts, write_token
from configs.world.plan import PlanName
from tests.api.world import count_more
from tests.clients import Browser, People
from tests.factories import EMAIL, PASSWORD, add_account, add_alert, add_grant, one

_ADDRESS = "2001:db8:1:2::3"
_MAIL, _SIGN_IN = {"email": EMAIL}, {"email": EMAIL, "password": "wrong"}
_REGISTRATION = {"email": EMAIL, "password": PASSWORD}
_CHOICE = {"token": "x", "password": PASSWORD}
_NOTICE = {"name": "Marie", "email": EMAIL, "confirmed": "true"}
# By endpoint: how a stranger knocks at each door.
KNOCKS: dict[str, tuple[str, dict[str, str]]] = {
    "logins.login": ("/api/auth/login", _SIGN_IN),
    "sign_in.sign_in": ("/login", _SIGN_IN),
    "logins.login_with_code": ("/api/auth/login/totp", {"challenge": "x", "code": "123456"}),
    "sign_in.sign_in_with_code": ("/login/code", {"challenge": "x", "code": "123456"}),
    "logins.refresh": ("/api/auth/refresh", {}),
    "auth.register": ("/api/auth/register", _REGISTRATION),
    "sign_in.register": ("/register", _REGISTRATION),
    "auth.forgot_password": ("/api/auth/forgot-password", _MAIL),
    "sign_in.send_reset": ("/forgot", _MAIL),
    "sign_in.take_code": ("/confirm/code", {"code": "123456"}),
    "sign_in.repeat_mail": ("/confirm/renvoi", _MAIL),
    "sign_in.correct_address": ("/confirm/adresse", _MAIL),
    "waiting.take_address": ("/departements/cergy_95/titre-sejour/prevenir", _MAIL),
    "auth.verify_email": ("/api/auth/verify-email", {"token": "x"}),
    "auth.reset_password": ("/api/auth/reset-password", _CHOICE),
    "help.send_request": ("/aide/ecrire", {"email": EMAIL, "message": "Bonjour"}),
    "support.ask_support": ("/api/support", {"email": EMAIL, "message": "Bonjour"}),
    "declaration_pages.send_withdrawal": ("/l/retractation", _NOTICE | {"order": "7KQ2M9XWPA"}),
    "declaration_pages.send_cancellation": (
        "/l/resilier", _NOTICE | {"reference": "7KQ2M9XWPA", "wished": "periodEnd"},
    ),
}  # fmt: skip
# The counters of each door, as the keys in Redis end: where a counter stands and how many it allows in which time.
_PLACES = ("*:1:2::/64/auth/100/15/minute", "*::/56/auth-56/200/15/minute", "*::/48/auth-48/400/15/minute")
_ALL = "*/all/auth-in-all/240/1/minute"
_ANY = ("*:1:2::/64/general/1000/15/minute",)
COUNTERS: dict[Door, tuple[str, ...]] = {
    Door.SIGN_IN: (*_PLACES, _ALL, "*/sign-in/10/15/minute", "*/sign-in/100/15/minute"),
    Door.CODE: _PLACES[:1],
    Door.REGISTRATION: (*_PLACES, _ALL, "*/registration/10/15/minute", "*/registration/100/15/minute"),
    Door.RESET_MAIL: (*_PLACES, "*/reset/auth-in-all/240/1/minute", "*/reset-mail/10/15/minute"),
    Door.CONFIRMATION: (*_PLACES, _ALL),
    Door.CHOICE: (*_PLACES, _ALL),
    Door.SUPPORT: (*_ANY, "*/support/*:1:2::/64/5/1/day", "*/support-wider/*::/48/20/1/day"),
    Door.DECLARATION: (*_ANY, "*/declaration/*:1:2::/64/20/1/hour", "*/declaration-wider/*::/48/60/1/hour"),
    Door.SIGNED: _ANY,
    Door.ONE_CLICK: ("*/general/30/15/minute",),
}


def _list_open_doors(app: Flask) -> Iterator[tuple[str, Any]]:
    """Yield each endpoint that changes something and needs no login, with its door; a webhook is signed."""
    with app.app_context():
        for rule in app.url_map.iter_rules():
            view = app.view_functions[rule.endpoint]
            needs_login = getattr(view, "is_personal", False) or needs_token(rule.endpoint)
            is_change = (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}
            if is_change and not needs_login and not hasattr(view, "is_webhook"):
                yield rule.endpoint, getattr(view, "door", None)


def _bites(client: FlaskClient, server: redis.Redis, counter: str, path: str, body: dict[str, str]) -> None:
    """Check that a door has a counter, and is closed once it is used up."""

    def knock() -> int:
        given: dict[str, Any] = {"json": body} if path.startswith("/api/") else {"data": body}
        return client.post(path, environ_base={"REMOTE_ADDR": _ADDRESS}, **given).status_code

    server.flushdb()
    # A page's form without its token is refused once it is counted; what counts wrong passwords is made beforehand.
    assert knock() != 429
    count_more(server, counter, 1000)
    assert knock() == 429, counter


def test_each_door_that_needs_no_login_declares_its_limits_and_each_of_them_bites(
    app: Flask, client: FlaskClient, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> None:
    settings_env(SUPPORT_EMAIL="support@example.org")
    add_account()
    doors = dict(_list_open_doors(app))
    assert doors.keys() == KNOCKS.keys() | {"links.act"}, "a new door says here how a stranger knocks"
    for endpoint, (path, body) in KNOCKS.items():
        visitor = Browser(app)
        for counter in COUNTERS[doors[endpoint]]:
            body = body | _read_token(visitor, path)  # noqa: PLW2901 -- the token is the same for all its knocks
            _bites(visitor.client, redis_server, counter, path, body)


def _read_token(visitor: Browser, path: str) -> dict[str, str]:
    """Return the token that the form of a visitor's page carries."""
    if path.startswith(("/api/", "/l/", "/login/code", "/confirm/")):
        return {}
    token: list[str] = visitor.get(path).find_form(path)["fields"]["csrf_token"]
    return {"csrf_token": token[0]}


def test_each_kind_of_link_declares_its_limits_and_each_of_them_bites(
    app: Flask, redis_server: redis.Redis, person: People
) -> None:
    client = app.test_client(use_cookies=False)
    real: dict[type[Link], str] = {StopAlerts: write_token(StopAlerts((add_alert(person().id),)))}
    for kind, (_, carry_out, door) in VIEWS.items():
        # What is forged is counted by its address, whatever kind of link it claims to be.
        forged = Door.SIGNED if door is Door.ONE_CLICK else door
        for counter in COUNTERS[forged] if carry_out else ():
            _bites(client, redis_server, counter, f"/l/{kind.word}.x", {})
        for counter in COUNTERS[door] if kind in real else ():
            _bites(client, redis_server, counter, f"/l/{real[kind]}", {})


def test_a_page_and_a_route_that_sign_in_count_wrong_passwords_together(
    client: FlaskClient, app: Flask
) -> None:
    add_account()
    visitor = Browser(app)
    visitor.get("/login")
    for _ in range(5):
        assert client.post("/api/auth/login", json=_SIGN_IN).status_code == 401
        visitor.send("/login", **_SIGN_IN)
        assert visitor.status == 422
    assert client.post("/api/auth/login", json=_SIGN_IN).status_code == 429
    visitor.send("/login", email="robin@example.org", password="")
    assert visitor.status == 422


# What the pages that a person keeps open ask for, each so often in a quarter of a minute.
_OPEN = {
    "/notifications/direct": 3,
    "/alertes/{alert}/direct": 3,
    "/canaux/telegram/etat": 5,
    "/carte/direct": 1,
}
_WINDOWS = {"5/minute": 20, "15/minute": 60}  # how many quarters of a minute each counter's window has
_TENANTS = 14


def _open_pages(app: Flask) -> Browser:
    """Return the browser of a person with a plan and an alert, behind the shared address."""
    browser, user = Browser(app), add_account()
    add_grant(user.id, PlanName.URGENCE_TOTAL, 2)
    browser.give_login(user.id)
    return browser


@pytest.mark.usefixtures("frozen")
def test_fourteen_people_behind_one_address_live_with_open_pages(
    app: Flask, redis_server: redis.Redis
) -> None:
    """One of them asks in truth, for a quarter of a minute: no counter may be full at the end of its window."""
    tenant = _open_pages(app)
    alert = add_alert(one(User).id)
    tags: dict[str, str] = {}

    def ask(path: str) -> int:
        kept = {"If-None-Match": tags[path]} if path in tags else {}
        answer = tenant.client.get(path.format(alert=alert), headers=tenant.headers | kept)
        tags[path] = answer.headers["ETag"]
        return answer.status_code

    assert {ask(path) for path in _OPEN} == {200}
    redis_server.flushdb()
    assert {ask(path) for path, times in _OPEN.items() for _ in range(times)} == {304}
    counters: list[Any] = redis_server.keys("api:throttle*")
    assert len(counters) == 2, "the account's own, and of the address what no login is read for"
    for counter in counters:
        *key, amount, length, unit = str(counter, "ascii").split("/")
        sharing = _TENANTS if "general" in key else 1
        used = int(redis_server.get(counter) or 0) * _WINDOWS[f"{length}/{unit}"] * sharing
        assert used <= int(amount) / 2, counter


def test_an_open_page_that_has_something_new_each_time_counts_like_any_other(
    app: Flask, redis_server: redis.Redis
) -> None:
    tenant = _open_pages(app)
    for _ in range(2):
        assert tenant.client.get("/notifications/direct").status_code == 200
    assert tenant.client.get(f"/alertes/{UUID(int=0)}/direct").status_code == 404
    assert tenant.client.get("/carte/direct?procedure=x").status_code == 404
    (strangers,) = redis_server.keys("*/stranger/*")
    assert int(redis_server.get(strangers) or 0) == 1
    count_more(redis_server, "*/user/*/300/5/minute", 296)
    assert tenant.client.get("/dashboard").status_code == 200
    assert tenant.client.get("/dashboard").status_code == 429
    assert tenant.client.get("/notifications/direct").status_code == 200, (
        "it costs little, and ends by its own limit"
    )
    count_more(redis_server, "*/live/*/3000/5/minute", 3000)
    assert tenant.client.get("/notifications/direct").status_code == 429


def test_a_flood_of_strangers_stays_out_and_leaves_the_signed_in_people_of_its_address_alone(
    app: Flask, redis_server: redis.Redis
) -> None:
    tenant = _open_pages(app)
    stranger = Browser(app)
    stranger.client.set_cookie("__Host-access", "a.b.c")
    for path in ("/", "/dashboard"):
        assert stranger.client.get(path, headers=stranger.headers).status_code in (200, 303)
    assert stranger.client.post("/profil/reglages").status_code in (401, 403)
    assert (
        stranger.client.post("/profil/reglages", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    )
    (counter,) = redis_server.keys("*/stranger/*")
    assert int(redis_server.get(counter) or 0) == 3, "each refused login, or form of another site, is counted"
    count_more(redis_server, "*/1000/15/minute", 1000)
    for path in ("/", "/login", "/dashboard", "/notifications/direct", "/alertes"):
        assert stranger.client.get(path, headers=stranger.headers).status_code == 429, path
    for path in ("/profil/reglages", "/notifications/lues"):
        assert stranger.client.post(path).status_code == 429, path
    assert tenant.get("/profil").headings
    tenant.send("/logout")
    assert tenant.status == 303
    assert tenant.client.get("/", headers=tenant.headers).status_code == 429, (
        "pages for everybody read no login"
    )
