"""Being told to stop: raised where we are, not while things are ended."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from deploy.local.signals import StopRequested, deaf, listen

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.parametrize("signum", SIGNALS)
def test_each_way_to_ask_stops_us(signum: signal.Signals) -> None:
    listen()
    with pytest.raises(StopRequested):
        os.kill(os.getpid(), signum)


def test_no_library_that_catches_exceptions_can_swallow_it() -> None:
    assert not issubclass(StopRequested, Exception)


def test_who_is_deaf_finishes_and_hears_again() -> None:
    listen()
    with deaf():
        os.kill(os.getpid(), signal.SIGINT)
        finished = True
    assert finished
    with pytest.raises(StopRequested):
        os.kill(os.getpid(), signal.SIGINT)


def test_another_thread_may_end_a_stack_too() -> None:
    done = []

    def end() -> None:
        with deaf():
            done.append(True)

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
    assert done
