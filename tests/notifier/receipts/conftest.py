"""Receipts' messages leave at once: a clock that stands still never has room for more than a window's."""

from collections.abc import Callable

import pytest


@pytest.fixture(autouse=True)
def _quick_channels(settings_env: Callable[..., None]) -> None:
    settings_env(SMS_PER_SECOND="100", TELEGRAM_PER_SECOND="100")
