"""Rotation of our own keys with real processes: two APIs and a notifier, restarted one by one as docs/keys.md says.

Between any two restarts a visitor registers, confirms both addresses and signs in, asking the APIs in turns.
"""

import itertools
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
import requests
from click.testing import CliRunner

from api.grant_command import grant_command
from api.rekey_command import rekey_command
from notifier.workers import CHILDREN
from tests.notifier.program import Program
from tests.rotation import STEPS
from tests.waiting import until, wait_for_port
from tests.whole.conftest import STACK_JOURNEY

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = STACK_JOURNEY
_GUNICORN = (
    "--workers 1 --threads 4 --preload --no-control-socket --graceful-timeout 3"
    " --config python:api.middleware.gunicorn_hooks"
)
_KEYS = ("JWT_SECRET", "LINK_KEY", "DATA_KEYS", "LOOKUP_KEY")
_PASSWORD = "vingt-deux-tramways-bleus"
_SECONDS = 60


@dataclass
class Fleet:
    """The programs, and the numbers that visitors get."""

    folder: Path
    sandbox: "Running"
    apis: list[tuple[int, Program]] = field(default_factory=list)  # port and process
    notifier: Program | None = None
    numbers: Iterator[int] = field(default_factory=itertools.count)
    turns: Iterator[int] = field(default_factory=lambda: itertools.cycle((0, 1)))

    def start_api(self) -> tuple[int, Program]:
        """Start an API with the keys of the environment; return it when it answers."""
        command = [
            "-m",
            "gunicorn",
            "api.app:create_app()",
            "--bind",
            "127.0.0.1:0",
            *_GUNICORN.split(),
        ]
        made = Program(self.folder / f"api-{next(self.numbers)}", sys.executable, *command)
        made.until(lambda: "Booting worker" in made.said)
        return wait_for_port(made.process.pid, made.log), made

    def replace_api(self, place: int) -> None:
        """Let an API take the place of another, which ends."""
        before, self.apis[place] = self.apis[place][1], self.start_api()
        before.ends(signal.SIGTERM)

    def replace_notifier(self) -> None:
        """Restart the notifier."""
        if self.notifier:
            self.notifier.ends(signal.SIGTERM)
        name = f"notifier-{next(self.numbers)}"
        made = self.notifier = Program(self.folder / name, sys.executable, "-m", "notifier.workers")
        made.until(lambda: made.said.count(" working ") + made.said.count(" sweeping ") == len(CHILDREN))

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> requests.Response:
        """Ask both APIs in turns."""
        port, _ = self.apis[next(self.turns)]
        address = f"198.51.100.{next(self.numbers) % 250}"  # limits count by address
        headers = {"X-Forwarded-For": address} | ({"Authorization": f"Bearer {token}"} if token else {})
        url = f"http://127.0.0.1:{port}{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=_SECONDS)

    def expect(self, method: str, path: str, body: Any = None, token: str = "", status: int = 200) -> Any:
        """Ask; return the JSON of the answer, which must have this status."""
        answer = self.ask(method, path, body, token)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content and "json" in answer.headers["Content-Type"] else None

    def visit(self) -> "Visit":
        """Register, confirm the mail address, sign in, link a number, refresh."""
        number = next(self.numbers)
        email, phone = f"visitor-{number}@example.org", f"+336123{number:05}"
        self.expect("POST", "/api/auth/register", {"email": email, "password": _PASSWORD}, status=202)
        link = self.find("email", email, r"/l/verify\.\S+")
        assert self.ask("POST", link).status_code == 200
        assert CliRunner().invoke(grant_command, [email, "URGENCE_TOTAL"]).exit_code == 0
        tokens = self.expect("POST", "/api/auth/login", {"email": email, "password": _PASSWORD})
        token = tokens["token"]
        self.expect("POST", "/api/auth/prove", {"password": _PASSWORD}, token)
        self.expect("PATCH", "/api/users/profile", {"phone": phone}, token)
        code = self.find("sms", phone, r"\b\d{6}\b")
        assert self.expect("POST", "/api/users/phone/verify", {"code": code}, token)["phoneVerified"]
        return Visit(link, phone, self.refresh(tokens))

    def refresh(self, tokens: dict[str, str]) -> dict[str, str]:
        """Return the next tokens of a login."""
        return dict(self.expect("POST", "/api/auth/refresh", token=tokens["refreshToken"]))

    def find(self, channel: str, to: str, pattern: str) -> str:
        """Return what the message to somebody has, once it has arrived."""

        def look() -> str | None:
            texts = [each.text for each in self.sandbox.messages(channel) if each.to == to]
            found = re.search(pattern, texts[-1]) if texts else None
            return found and found[0]

        return str(until(look))


@dataclass(frozen=True)
class Visit:
    """What a visitor has: the link of the mail, a number, and tokens."""

    link: str
    phone: str
    tokens: dict[str, str]


@pytest.fixture
def fleet(
    tmp_path: Path,
    database: str,
    redis_server: redis.Redis,
    sandbox: "Running",
    settings_env: Callable[..., None],
) -> Iterator[Fleet]:
    settings_env(PROXY_HOPS="1", LOG_FORMAT="console", **dict.fromkeys(_KEYS, STEPS[0]))
    made = Fleet(tmp_path, sandbox)
    try:
        made.apis += [made.start_api(), made.start_api()]
        made.replace_notifier()
        yield made
    finally:
        for each in [made.notifier, *(api for _, api in made.apis)]:
            if each:
                each.ends(signal.SIGTERM)


def rekey(*arguments: str) -> str:
    """Run `flask rekey`; return what it printed."""
    return str(CliRunner().invoke(rekey_command, arguments).output)


def take_step(fleet: Fleet, settings_env: Callable[..., None], keys: str) -> list[Visit]:
    """Restart all programs one by one with these values; return the visits between."""
    settings_env(**dict.fromkeys(_KEYS, keys))
    visits = []
    restarts: list[Callable[[], None]] = [
        partial(fleet.replace_api, 0),
        fleet.replace_notifier,
        partial(fleet.replace_api, 1),
    ]
    for restart in restarts:
        restart()
        visits.append(fleet.visit())
    return visits


def test_nobody_notices_that_our_own_keys_are_replaced(
    fleet: Fleet, settings_env: Callable[..., None]
) -> None:
    first = fleet.visit()
    visits = [first, *take_step(fleet, settings_env, STEPS[1])]
    visits += take_step(fleet, settings_env, STEPS[2])
    assert not rekey("--check").startswith("0 rows")
    rekey()
    assert rekey("--check").startswith("0 rows")
    for each in visits:
        assert fleet.ask("GET", each.link).status_code == 200
    kept = [fleet.refresh(each.tokens) for each in visits[1:]]

    take_step(fleet, settings_env, STEPS[3])
    # The first login was not refreshed, and no LINK_SECONDS have passed since the old value signed links.
    for visit, tokens in zip(visits[1:], kept, strict=True):
        shown = fleet.expect("GET", "/api/auth/me", token=tokens["token"])
        assert shown["phone"] == visit.phone
    assert fleet.ask("POST", "/api/auth/refresh", token=first.tokens["refreshToken"]).status_code == 401
    assert fleet.ask("GET", first.link).status_code == 400
