"""One password is hashed at a time in all threads of a process, and one more of people who are known."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from flask.testing import FlaskClient

from api.accounts import passwords
from api.accounts.passwords import take_turn
from api.errors import ApiError


@pytest.fixture(autouse=True)
def short_wait(settings_env: Callable[..., None]) -> None:
    settings_env(PASSWORD_WAIT_SECONDS="0.2")


def test_one_turn_is_taken_at_a_time() -> None:
    inside, most = 0, 0
    guard = threading.Lock()

    def work(_: int) -> None:
        nonlocal inside, most
        with take_turn():
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with guard:
                inside -= 1

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(6)))
    assert most == 1
    for _ in range(2):  # an error gives it back
        with pytest.raises(ZeroDivisionError), take_turn():
            raise ZeroDivisionError


def test_who_waits_too_long_is_told_to_come_back(client: FlaskClient) -> None:
    with take_turn():
        answer = client.post("/api/auth/login", json={"email": "a@example.org", "password": "x"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert (answer.json or {})["type"].endswith(":busy")


def fill_places(stack: ExitStack, *, kept: bool = False) -> None:
    """Have as many threads wait as may."""
    for _ in range(passwords._WAITING[kept]):
        stack.callback(passwords._places[kept].release)
        passwords._places[kept].acquire()


def test_strangers_leave_a_turn_and_places_to_wait_to_people_who_are_known() -> None:
    with ExitStack() as stack:
        stack.enter_context(take_turn())
        fill_places(stack)
        with pytest.raises(ApiError), take_turn():
            pass
        with take_turn(kept=True), pytest.raises(ApiError), take_turn(kept=True):
            pass
    with ExitStack() as stack:  # and they leave one to strangers
        stack.enter_context(take_turn(kept=True))
        fill_places(stack, kept=True)
        stack.enter_context(take_turn())


def test_threads_stay_free_for_others() -> None:
    with ExitStack() as stack:
        fill_places(stack)
        began = time.monotonic()
        with pytest.raises(ApiError), take_turn():
            pass
        assert time.monotonic() - began < 0.2
