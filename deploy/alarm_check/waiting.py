"""Waiting for what must come."""

import time
from collections.abc import Callable

from deploy.alarm_check.files import CheckFailed


def wait_for(ready: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask each second.

    Raises:
        CheckFailed: it did not come within `seconds`.
    """
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise CheckFailed(f"waited {seconds:.0f} s for {what}, which did not come")
        time.sleep(1)
