"""The API behind the shipped nginx.conf: both agree on the one proxy that is believed."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPMessage
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis

from deploy.local.ports import StackPorts
from deploy.local.processes import answers, free_port, start, stop, with_parent
from deploy.local.programs import commands
from deploy.server_files import write_nginx_copy
from tests.api.middleware.test_proxies import EMAIL, EVIL, SPOOFED, STRANGER, render_mails
from tests.deploy.test_nginx import NAME, Door
from tests.factories import PASSWORD
from tests.waiting import until, wait_for_port

pytestmark = [
    pytest.mark.journey,
    pytest.mark.processes,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
]
COOKIES = re.compile(r"(__Host-\w+)=([^;]*)")


@pytest.fixture
def door(
    tmp_path: Path, database: str, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> Iterator[Door]:
    """Give nginx in front of gunicorn, as on a server."""
    made = Door(tmp_path, free_port(), free_port())
    settings_env(PROXY_HOPS=1, PROGRAM="api", API_URL=f"https://{NAME}", STATE_DIR=tmp_path / "state")
    log = tmp_path / "gunicorn.log"
    with ExitStack() as ends:
        api = start(with_parent(commands(replace(StackPorts(), api=0))["api"]), log)
        ends.callback(stop, api)
        conf = write_nginx_copy(
            tmp_path, server_name=NAME, api=f"127.0.0.1:{wait_for_port(api.pid, log)}", user="root",
            http_port=made.http_port, https_port=made.https_port,
        )  # fmt: skip
        ends.callback(stop, subprocess.Popen(["nginx", "-c", str(conf), "-g", "daemon off;"]))
        until(lambda: answers("127.0.0.1", made.https_port))
        yield made


def send(door: Door, path: str, cookies: dict[str, str], **fields: str) -> tuple[int, HTTPMessage, str]:
    """Send a form, or ask for a page without fields; keep the cookies."""
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    headers |= {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    status, found, body = door.ask(path, urlencode(fields).encode() if fields else None, headers)
    for line in found.get_all("Set-Cookie") or []:
        cookies.update(COOKIES.findall(line))
    return status, found, body.decode()


def sign_in(door: Door, email: str) -> dict[str, str]:
    """Register by JSON, sign in by the page; return the cookies."""
    body = f'{{"email": "{email}", "password": "{PASSWORD}"}}'.encode()
    assert door.ask("/api/auth/register", body, {"Content-Type": "application/json"})[0] == 202
    cookies: dict[str, str] = {}
    _, _, page = send(door, "/login", cookies)
    (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', page)
    status, headers, _ = send(door, "/login", cookies, email=email, password=PASSWORD, csrf_token=token)
    assert (status, headers["Location"]) == (303, "/dashboard")
    return cookies


def test_guesses_are_counted_by_the_peer_s_address_whatever_is_sent(door: Door) -> None:
    def guess(number: int) -> int:
        spoofed = {name: value.replace(STRANGER, f"203.0.113.{number}") for name, value in SPOOFED.items()}
        body = b'{"email": "camille@example.org", "password": "x"}'
        return door.ask("/api/auth/login", body, spoofed | {"Content-Type": "application/json"})[0]

    assert [guess(number) for number in range(11)] == [401] * 10 + [429]


def test_links_in_mails_lead_to_the_server_s_own_name(door: Door) -> None:
    for path in ("register", "forgot-password"):
        body = f'{{"email": "{EMAIL}"' + (f', "password": "{PASSWORD}"' if path == "register" else "") + "}"
        headers = SPOOFED | {"Content-Type": "application/json"}
        assert door.ask(f"/api/auth/{path}", body.encode(), headers)[0] == 202
    for text in render_mails().values():
        assert EVIL not in text
        assert f"https://{NAME}/l/" in text


def test_each_sees_their_own_page_and_nobody_keeps_it(door: Door) -> None:
    cookies = {email: sign_in(door, email) for email in ("anna@example.org", "boris@example.org")}
    for _ in range(2):
        for email, own in cookies.items():
            status, headers, page = send(door, "/profil", own)
            assert (status, headers["Cache-Control"]) == (200, "no-store")
            assert email in page
            assert sum(each in page for each in cookies) == 1
    assert send(door, "/profil", {})[0] == 303
    # a path that looks like a file is no file (web cache deception)
    for path in ("/profil/x.css", "/profil;x.css", "/profil%2fx.css", "/dashboard/style.css"):
        status, headers, page = send(door, path, cookies["anna@example.org"])
        assert status == 404
        assert "public" not in headers["Cache-Control"]
        assert "anna@example.org" not in page


def test_a_form_of_another_site_is_refused_behind_tls_too(door: Door) -> None:
    cookies = sign_in(door, EMAIL)
    _, _, page = send(door, "/dashboard", cookies)
    token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
    body = urlencode({"csrf_token": token}).encode()
    headers = {
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert door.ask("/logout", body, headers | {"Origin": f"https://{EVIL}"})[0] == 403
    assert door.ask("/logout", body, headers | {"Origin": f"http://{NAME}"})[0] == 403
    assert door.ask("/logout", body, headers | {"Origin": f"https://{NAME}"})[0] == 303


def test_the_logs_hold_no_address_of_a_person_and_no_token(door: Door, tmp_path: Path) -> None:
    sign_in(door, EMAIL)
    door.ask("/l/verify.secret-token?email=someone")
    until(lambda: " GET /l " in (tmp_path / "access.log").read_text())
    log = (tmp_path / "access.log").read_text()
    assert "someone" not in log
    written = log + (tmp_path / "gunicorn.log").read_text()
    assert "secret-token" not in written
    assert EMAIL not in written
    assert PASSWORD not in written
