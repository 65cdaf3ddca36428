import threading
from collections.abc import Callable

import time_machine

from configs.ground.process_age import repeat_until_old


def test_a_loop_ends_when_it_is_old(
    settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    settings_env(WORKER_AGE_SECONDS="10")
    rounds = list[int]()

    def turn() -> None:
        rounds.append(1)
        frozen.shift(4.1)

    repeat_until_old(turn, 0.001, threading.Event())
    assert len(rounds) in {2, 3}  # 8 to 10 s
