"""Two APIs behind the shipped nginx.conf: what is under way at one that is stopped or dies, and what visitors see of it."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import redis
import sqlalchemy as sa

from api.accounts.passwords import hash_password
from api.models.alert import Alert
from api.models.base import session
from api.models.user import Channel, Contact, Grant, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.local.processes import answers, free_port, start, stop, wait_until, with_parent
from tests.deploy.compose_files import services
from tests.deploy.nginx_copy import write_nginx_copy
from tests.deploy.test_nginx import NAME
from tests.desk_proofs import prove_desks
from tests.factories import PASSWORD
from tests.waiting import PATIENCE, until, wait_for_port

pytestmark = [
    pytest.mark.journey,
    pytest.mark.processes,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
]
PEOPLE = 8
ALERT = {"prefectureId": "melun_77", "procedures": ["NATURALISATION"]}
LONGEST = 60.0  # seconds for which a visitor waits for an answer


@dataclass
class Api:
    """gunicorn with its workers, as in a container of its own."""

    folder: Path
    port: int = 0  # until it is started first
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        log = self.folder / "gunicorn.log"
        command = [*services()["api-1"]["command"]]
        command[:1] = [sys.executable, "-m", "gunicorn"]
        command[command.index("--bind") + 1] = f"127.0.0.1:{self.port}"
        environment = os.environ | {"STATE_DIR": str(self.folder / "state")}
        self.process = start(with_parent(command), log, env=environment)
        self.port = wait_for_port(self.process.pid, log)
        wait_until(self.is_well, log, what="gunicorn", process=self.process, seconds=PATIENCE)

    def is_well(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/health/live", timeout=3) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def send_signal(self, number: int) -> None:
        """Send it to gunicorn and its workers alike."""
        os.killpg(self.process.pid, number)

    def count_requests(self) -> int:
        """Return how many connections it has: nginx opens one for each request that waits."""
        family = [self.process.pid, *(each.pid for each in psutil.Process(self.process.pid).children())]
        found = (each for pid in family for each in psutil.Process(pid).net_connections("tcp"))
        busy = {
            each.raddr
            for each in found
            if each.status == psutil.CONN_ESTABLISHED and each.laddr.port == self.port
        }
        return len(busy)


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Visitors:
    """People with network addresses of their own, who ask nginx; each request has a connection of its own."""

    https_port: int
    context: ssl.SSLContext
    tokens: list[str] = field(default_factory=list)

    def sign_in(self, number: int) -> str:
        credentials = {"email": f"visitor{number}@example.org", "password": PASSWORD}
        answer = self.ask(number, "POST", "/api/auth/login", credentials)
        assert answer.status == 200
        return str(json.loads(answer.body)["token"])

    def ask(self, number: int, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        headers = {"Content-Type": "application/json"}
        if self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens[number]}"
        connection = http.client.HTTPSConnection(NAME, context=self.context)
        own = (f"127.1.0.{number + 1}", 0)
        plain = socket.create_connection(("127.0.0.1", self.https_port), LONGEST, own)
        connection.sock = self.context.wrap_socket(plain, server_hostname=NAME)
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def order(self, number: int) -> Answer:
        return self.ask(number, "POST", "/api/alerts", ALERT)

    def look(self, times: int) -> set[int]:
        """Return the statuses of so many reads, one after the other."""
        paths = ("/api/alerts", "/api/prefectures", "/api/health/live")
        return {self.ask(each % PEOPLE, "GET", paths[each % 3]).status for each in range(times)}


class Orders:
    """Orders of some people, each in a thread, under way until their answers are asked for."""

    def __init__(self, visitors: Visitors, people: range) -> None:
        self._answers: dict[int, Answer] = {}
        self._threads = [threading.Thread(target=self._send, args=(visitors, each)) for each in people]
        for each in self._threads:
            each.start()

    def _send(self, visitors: Visitors, number: int) -> None:
        self._answers[number] = visitors.order(number)

    def wait(self) -> dict[int, Answer]:
        for each in self._threads:
            each.join()
        return self._answers


@pytest.fixture
def apis(
    tmp_path: Path, database: str, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> Iterator[list[Api]]:
    settings_env(PROXY_HOPS=1, PROGRAM="api", API_URL=f"https://{NAME}", DATABASE_SECONDS=60)
    made = [Api(tmp_path / name) for name in ("a", "b")]
    with ExitStack() as ends:
        for each in made:
            each.start()
            ends.callback(lambda api: stop(api.process), each)
        yield made


@pytest.fixture
def visitors(tmp_path: Path, apis: list[Api]) -> Iterator[Visitors]:
    https_port = free_port()
    conf = write_nginx_copy(
        tmp_path, server_name=NAME, api=" ".join(f"127.0.0.1:{each.port}" for each in apis), user="root",
        http_port=free_port(), https_port=https_port,
    )  # fmt: skip
    nginx = subprocess.Popen(["nginx", "-c", str(conf), "-g", "daemon off;"])
    try:
        until(lambda: answers("127.0.0.1", https_port))
        made = Visitors(https_port, ssl.create_default_context(cafile=str(tmp_path / "fullchain.pem")))
        write_people()
        made.tokens = [made.sign_in(number) for number in range(PEOPLE)]
        yield made
    finally:
        stop(nginx)


def write_people() -> None:
    now, password = clock(), hash_password(PASSWORD)
    prove_desks()
    with session() as s:
        for number in range(PEOPLE):
            email = f"visitor{number}@example.org"
            contact = Contact(channel=Channel.EMAIL, address=email, verified_at=now, enabled=True)
            user = User(email=email, password_hash=password, contacts=[contact])
            s.add(user)
            s.flush()
            ends = now + timedelta(days=30)
            s.add(
                Grant(
                    user_id=user.id, plan=PlanName.URGENCE_TOTAL, starts_at=now, ends_at=ends, source="test"
                )
            )


@contextmanager
def slow_orders(database: str) -> Iterator[None]:
    """Let all orders wait while the block lasts, as at a busy database; reads do not."""
    engine = sa.create_engine(database)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
            connection.exec_driver_sql("LOCK TABLE alerts IN SHARE MODE")
            yield
    finally:
        engine.dispose()


def count_alerts() -> int:
    with session() as s:
        return s.scalar(sa.select(sa.func.count()).select_from(Alert)) or 0


def test_what_dies_with_an_api_is_what_it_was_asked_to_change_and_may_be_asked_again(
    visitors: Visitors, apis: list[Api], database: str
) -> None:
    killed, other = apis
    with slow_orders(database):
        orders = Orders(visitors, range(PEOPLE))
        until(lambda: killed.count_requests() >= PEOPLE // 2 and other.count_requests() >= PEOPLE // 2)
        killed.send_signal(signal.SIGKILL)
        killed.process.wait()
        assert visitors.look(20) == {200}
    answered = orders.wait()
    broken = [number for number, each in answered.items() if each.status != 201]
    assert 0 < len(broken) < PEOPLE
    assert {(answered[each].status, answered[each].headers["Retry-After"]) for each in broken} == {
        (503, "10")
    }
    assert {visitors.order(number).status for number in broken} <= {201, 409}  # 409: it had been written
    assert count_alerts() == PEOPLE
    killed.start()
    until(lambda: visitors.look(10) == {200} and killed.count_requests())


def test_an_api_that_is_stopped_loses_no_order_however_long_it_takes_and_then_the_other(
    visitors: Visitors, apis: list[Api], database: str
) -> None:
    one, two = apis
    replace_one(visitors, one, two, range(4), database)
    replace_one(visitors, two, one, range(4, PEOPLE), database)
    assert count_alerts() == PEOPLE


def replace_one(visitors: Visitors, stopped: Api, other: Api, people: range, database: str) -> None:
    with slow_orders(database):
        orders = Orders(visitors, people)
        until(lambda: stopped.count_requests() >= 2 and other.count_requests() >= 2)
        stopped.process.terminate()
        until(lambda: not answers("127.0.0.1", stopped.port))
        assert visitors.look(20) == {200}  # no visitor waits for an API that answers its last requests
        assert stopped.process.poll() is None
    assert {each.status for each in orders.wait().values()} == {201}
    assert stopped.process.wait(PATIENCE) == 0
    stopped.start()
    until(lambda: visitors.look(10) == {200} and stopped.count_requests())
