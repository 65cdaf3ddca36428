from collections.abc import Callable

import pytest
import time_machine
from flask import Flask

from tests.api.pages.walk.population import Population, populate


@pytest.fixture
def population(
    frozen: time_machine.Traveller,
    app: Flask,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> Population:
    """Give everybody, at a clock that stands still. A walk makes more requests than the limits allow one person."""
    for name in ("GENERAL", "USER"):
        monkeypatch.setattr(f"api.middleware.rate_limits.{name}", "100000 per 5 minutes")
    settings_env(SUPPORT_EMAIL="support@example.org", TELEGRAM_BOT_NAME="rdvpriority_bot")
    return populate(app)
