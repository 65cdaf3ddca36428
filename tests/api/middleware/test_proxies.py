"""Network address and host of a request: the peer's and our own, unless PROXY_HOPS names proxies in front."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

import api
from api.middleware import gunicorn_hooks
from api.middleware.gunicorn_hooks import on_starting
from api.models.notification import Notification
from configs.settings import settings
from deploy.local.ports import usual
from deploy.local.programs import commands
from tests.api.messages import render_row
from tests.factories import PASSWORD, rows
from tests.in_turn import in_turn

API = Path(api.__file__).parent
EMAIL = "camille@example.org"
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
    texts = render_mails()
    assert set(texts) == {"verify_email", "password_reset"}
    for text in texts.values():
        assert EVIL not in text
        assert set(re.findall(r"https?://([^/\s\"'<>]+)", text)) <= ours
        assert f"{settings().api_url}/l/" in text
    for path in ("/dashboard", "//login", "/login/", "/departements//bobigny_93", "/who/", "/alertes/x"):
        answer = client.get("/", headers=SPOOFED | {"Host": EVIL}, environ_overrides={"PATH_INFO": path})
        assert EVIL not in answer.headers.get("Location", ""), path
        assert EVIL not in answer.text, path


def render_mails() -> dict[str, str]:
    """Return the texts of the mails that wait, by kind."""
    mails = {mail.kind: render_row(mail) for mail in rows(Notification)}
    return {kind: f"{shown.subject} {shown.text} {shown.html}" for kind, shown in mails.items()}


def test_no_code_builds_an_address_from_a_request() -> None:
    """Links and redirects begin with API_URL or FRONTEND_URL, or are paths."""
    host = re.compile(r"request\.(host|host_url|url|url_root|base_url|root_url)\b|_external\b|SERVER_NAME")
    found = {str(file.relative_to(API)) for file in API.rglob("*.py") if host.search(file.read_text("utf-8"))}
    assert found == {"pages/cookies.py"}  # compares it with a form's Origin


def test_gunicorn_is_started_with_these_hooks() -> None:
    (found,) = re.findall(r"--config python:(\S+)", " ".join(commands(usual(any_port=True))["api"]))
    assert found == on_starting.__module__


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
