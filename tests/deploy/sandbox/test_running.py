"""The sandbox for tests: quick to start, clean to stop, plain to control."""

import contextlib
import socket
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.running import Running, running
from deploy.sandbox.server import Ports, Sandbox
from tests.waiting import until

SOON = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)


def test_it_starts_and_leaves_nothing_behind() -> None:
    before = threading.active_count()
    with running() as started:
        where = urlsplit(started.site(91))
        assert urllib.request.urlopen(f"{started.inbox}/", timeout=60).status == 200
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((where.hostname, where.port), timeout=60)


def test_two_can_run_at_once() -> None:
    with running() as one, running() as other:
        one.open_slots(91, 23014)
        assert one.site(91) != other.site(91)
        assert other.take_slots(91, 23014) == []
        assert len(one.take_slots(91, 23014)) == 1


@pytest.mark.parametrize("mode", ["hang_forever", "endless", "drip", "hang"])
def test_clients_that_hang_do_not_hold_it_up(mode: str) -> None:
    with contextlib.ExitStack() as wires:
        with running() as started:
            started.mode(91, mode)
            where = urlsplit(started.site(91))
            for _ in range(20):
                wire = wires.enter_context(socket.create_connection((where.hostname, where.port), timeout=60))
                wire.sendall(b"GET /booking/create/23014/0 HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: len(started.requests(91)) == 20)
            start = time.monotonic()
        assert time.monotonic() - start < 60


def test_an_error_in_a_test_stops_it_too() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), running():
        _ = 1 / 0
    assert threading.active_count() == before


def test_slots_are_opened_and_taken_as_instants_of_paris(sandbox: Running) -> None:
    opened = sandbox.open_slots(91, 23014, at=[SOON + timedelta(hours=1), SOON], planning=23198)
    assert opened == [SOON, SOON + timedelta(hours=1)]
    assert {str(slot.tzinfo) for slot in opened} == {"Europe/Paris"}
    assert sandbox.take_slots(91, 23014, at=[SOON]) == [SOON]
    assert sandbox.take_slots(91, 23014, planning=23018) == []
    assert sandbox.take_slots(91, 23014, planning=23198) == [SOON + timedelta(hours=1)]


def test_the_same_seed_opens_the_same_slots() -> None:
    with running(seed=5) as one, running(seed=5) as other:
        assert one.open_slots(91, 23014, count=5) == other.open_slots(91, 23014, count=5)


def test_requests_are_snapshots(sandbox: Running) -> None:
    urllib.request.urlopen(f"{sandbox.site('77')}/booking/create/48803/0", timeout=60).close()
    (seen,) = sandbox.requests(77)
    assert (seen.method, seen.path, seen.status) == ("GET", "/booking/create/48803/0", 200)
    sandbox.reset()
    assert seen.status == 200
    assert sandbox.requests(77) == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda sandbox: sandbox.site(13),
        lambda sandbox: sandbox.open_slots(13, 1),
        lambda sandbox: sandbox.open_slots(91, 1),
        lambda sandbox: sandbox.open_slots(91, 23014, planning=1),
        lambda sandbox: sandbox.open_slots(91, 23014, at=[datetime(2020, 1, 1, tzinfo=UTC)]),
        lambda sandbox: sandbox.take_slots(91, 23014, planning=1),
        lambda sandbox: sandbox.mode(91, "sleepy"),
        lambda sandbox: sandbox.mode(91, "block", form=5),
        lambda sandbox: sandbox.provider_mode("sms", "sleepy"),
    ],
)
def test_what_does_not_exist_is_refused_in_the_callers_thread(sandbox: Running, wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(Refusal):
        wrong(sandbox)


def test_all_addresses_are_described_for_a_person(sandbox: Running) -> None:
    text = sandbox._sandbox.described()
    for address in (
        f"{sandbox.site(91)}/booking/create/23014",
        f"{sandbox.site(93)}/booking/create/16105",
        sandbox.sendgrid,
        sandbox.twilio,
        sandbox.telegram,
        f"{sandbox.inbox}/",
    ):
        assert address in text


def test_a_world_needs_a_form_that_exists() -> None:
    with pytest.raises(LookupError, match="no form 7"):
        Sandbox(Ports(), world=True, first_form=7)
