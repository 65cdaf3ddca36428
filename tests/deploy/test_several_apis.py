"""Several API processes behind the shipped nginx.conf: one dies while requests come, comes back, and the others die."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import redis
import sqlalchemy as sa

from api.accounts.passwords import hash_password
from api.models.alert import Alert
from api.models.base import session
from api.models.user import Channel, Contact, Grant, User
from configs.clock import clock
from configs.plan import PlanName
from deploy.local.ports import StackPorts
from deploy.local.processes import free_port, start, stop, wait_until, with_parent
from deploy.local.programs import commands
from deploy.release.front import NAME, ReleaseFront
from deploy.release.load import Request, RequestLoad
from deploy.release.stage import answers_well
from tests.api.world import PASSWORD
from tests.waiting import PATIENCE, until, wait_for_port

pytestmark = [
    pytest.mark.journey,
    pytest.mark.processes,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
]
EMAILS = [f"visitor{number}@example.org" for number in range(20)]
RATE = 15  # requests a second


@dataclass
class Api:
    """gunicorn with its workers, as on a machine of its own."""

    folder: Path
    port: int = 0  # until it is started first
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        log = self.folder / "gunicorn.log"
        own = {"STATE_DIR": str(self.folder / "state")}
        command = commands(replace(StackPorts(), api=self.port))["api"]
        self.process = start(with_parent(command), log, env=os.environ | own)
        self.port = wait_for_port(self.process.pid, log)
        wait_until(
            lambda: answers_well(self.port),
            log,
            what="gunicorn",
            process=self.process,
            seconds=PATIENCE,
        )

    def send_signal(self, number: int) -> None:
        """Send it to gunicorn and its workers alike."""
        os.killpg(self.process.pid, number)

    def serves(self) -> bool:
        """Whether nginx has a connection to it."""
        family = [self.process.pid, *(each.pid for each in psutil.Process(self.process.pid).children())]
        found = (each for pid in family for each in psutil.Process(pid).net_connections("tcp"))
        return any(each.laddr.port == self.port and each.status == psutil.CONN_ESTABLISHED for each in found)


@pytest.fixture
def apis(
    tmp_path: Path, database: str, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> Iterator[list[Api]]:
    settings_env(PROXY_HOPS=1, PROGRAM="api", API_URL=f"https://{NAME}")
    made = [Api(tmp_path / name) for name in ("a", "b", "c")]
    with ExitStack() as ends:
        for each in made:
            each.start()
            ends.callback(lambda api: stop(api.process), each)
        yield made


@pytest.fixture
def front(tmp_path: Path, apis: list[Api]) -> Iterator[ReleaseFront]:
    made = ReleaseFront(tmp_path / "nginx", free_port(), free_port(), apis[0].port)
    with made.running():
        made.lead_to(*(each.port for each in apis))
        yield made


def write_visitors() -> None:
    now, password = clock(), hash_password(PASSWORD)
    with session() as s:
        for email in EMAILS:
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


def count_alerts() -> int:
    with session() as s:
        return s.scalar(sa.select(sa.func.count()).select_from(Alert)) or 0


def test_what_dies_with_an_api_is_what_it_was_asked_to_change_at_that_moment(
    front: ReleaseFront, apis: list[Api]
) -> None:
    write_visitors()
    load = RequestLoad(front, EMAILS, PASSWORD, RATE, writes=3, keepers=len(EMAILS) // 2)
    died: list[tuple[float, float]] = []

    def serve(number: int) -> None:
        so_far = len(load.answers)
        until(lambda: len(load.answers) >= so_far + number)

    def kill(*killed: Api) -> None:
        begun = time.monotonic()
        for each in killed:
            each.send_signal(signal.SIGKILL)
            each.process.wait()
        died.append((begun, time.monotonic()))

    first, *others = apis
    with load.running():
        serve(100)
        first.send_signal(signal.SIGSTOP)  # so that requests are certain to be on their way
        serve(3 * RATE)
        kill(first)
        serve(100)
        first.start()
        until(first.serves)
        serve(100)
        kill(*others)
        serve(100)
    broken = [each for each in load.answers if each.failed]
    met = sum(
        not each.failed and any(was_under_way(each, *moment) for moment in died) for each in load.answers
    )
    sys.stderr.write(
        f"{len(load.answers)} requests, {met} under way at a death and answered, failed: {broken}\n"
    )
    assert not [each for each in broken if not any(was_under_way(each, *moment) for moment in died)]
    # an answer that has begun cannot be asked of another one
    assert not [each for each in broken if each.what.startswith("GET") and each.status]
    posts = sum(each.what.startswith("POST") for each in broken)
    assert load.written["made"] <= count_alerts() <= load.written["made"] + posts


def was_under_way(request: Request, begun: float, ended: float) -> bool:
    return request.due <= ended and begun <= request.due + request.seconds
