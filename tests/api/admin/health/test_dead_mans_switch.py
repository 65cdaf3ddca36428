"""The dead man's switch: HEARTBEAT_URL is called each minute, as long as alarms would reach an operator."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import cast

import pytest
import time_machine
from rq import SimpleWorker

from api.admin.health.dead_mans_switch import SwitchNotCalled
from api.ground.alarms import acknowledge, open_alarm
from api.jobs import schedule as jobs
from api.jobs.registry import JOBS
from api.models.base import session
from api.models.incident import Incident, IncidentReason
from api.models.notification import Notification
from api.models.user import Channel
from notifier.jobs import deliver
from tests.api.messages import add_operator
from tests.factories import one, rows
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen", "workers")


class Switch(HTTPServer):
    """A stand-in of the service that waits for calls; `status` is its answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paths: list[str] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ping/0b6f02ce"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        switch = cast("Switch", self.server)
        switch.paths.append(self.path)
        self.send_response(switch.status)
        if switch.status == 302:
            self.send_header("Location", "http://192.0.2.1/")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def switch(settings_env: Callable[..., None]) -> Iterator[Switch]:
    server = Switch()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings_env(HEARTBEAT_URL=server.url)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_is_called_each_minute(switch: Switch) -> None:
    assert JOBS["call_dead_mans_switch"].period == timedelta(minutes=1)
    for _ in range(2):
        jobs.call_dead_mans_switch()
    assert switch.paths == ["/ping/0b6f02ce"] * 2


def test_it_is_not_called_without_a_worker_that_would_send_alarms(
    switch: Switch, workers: SimpleWorker
) -> None:
    workers.teardown()  # type: ignore[no-untyped-call]  # as above
    assert jobs.call_dead_mans_switch() == {"held": 1}
    assert switch.paths == []
    workers.register_birth()  # type: ignore[no-untyped-call]  # as above
    assert jobs.call_dead_mans_switch() == {}
    assert len(switch.paths) == 1


def test_it_is_not_called_without_an_address_or_redis_which_is_no_error_of_the_job(
    switch: Switch, settings_env: Callable[..., None]
) -> None:
    settings_env(HEARTBEAT_URL="")
    jobs.call_dead_mans_switch()
    settings_env(HEARTBEAT_URL=switch.url, REDIS_URL="redis://127.0.0.1:1/0")
    assert jobs.call_dead_mans_switch() == {"held": 1}
    assert switch.paths == []


def test_it_is_not_called_while_an_alarm_does_not_leave(
    switch: Switch, frozen: time_machine.Traveller
) -> None:
    add_operator(Channel.TELEGRAM)
    with session() as s:
        open_alarm(
            s, IncidentReason.SELF_CHECK, "x", "operations_alarm", {"reason": "self_check", "subject": "x"}
        )
    frozen.shift(timedelta(minutes=4, seconds=59))
    assert jobs.call_dead_mans_switch() == {}
    frozen.shift(timedelta(seconds=1))
    assert jobs.call_dead_mans_switch() == {"held": 1}
    with session() as s:
        acknowledge(s, one(Incident).id)
    (row,) = rows(Notification)
    deliver(str(row.id))
    assert jobs.call_dead_mans_switch() == {}


@in_turn("status", [302, 404, 500])
def test_an_answer_other_than_2xx_fails_the_job_and_names_no_address(status: int, switch: Switch) -> None:
    switch.status = status
    switch.paths.clear()
    with pytest.raises(SwitchNotCalled, match=str(status)) as failed:
        jobs.call_dead_mans_switch()
    assert "0b6f02ce" not in str(failed.value)
    assert len(switch.paths) == 1, "redirects are not followed"


@in_turn("host", ["192.0.2.1", "hc.example.org", "169.254.169.254"])
def test_outside_production_nothing_leaves_loopback(host: str, settings_env: Callable[..., None]) -> None:
    settings_env(HEARTBEAT_URL=f"https://{host}/ping")
    with pytest.raises(SwitchNotCalled, match="loopback only"):
        jobs.call_dead_mans_switch()
