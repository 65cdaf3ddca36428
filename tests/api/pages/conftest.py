from collections.abc import Callable

import pytest
import time_machine
from flask import Flask

from tests.api.pages.walk.population import Population, populate
from tests.clients import Browser
from tests.factories import add_account


@pytest.fixture
def browse(app: Flask) -> Callable[..., Browser]:
    """Make a browser: `browse(language="ar")`."""

    def make(language: str = "fr") -> Browser:
        return Browser(app, language=language)

    return make


@pytest.fixture
def visitor(browse: Callable[..., Browser]) -> Browser:
    return browse()


@pytest.fixture
def camille(visitor: Browser) -> Browser:
    """A browser in which camille@example.org is signed in, with the cookies of a login and no request yet."""
    visitor.give_login(add_account().id)
    return visitor


@pytest.fixture
def population(
    frozen: time_machine.Traveller,
    app: Flask,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> Population:
    """Give everybody, at a clock that stands still. A walk makes more requests than the limits allow one person."""
    for name in ("GENERAL", "USER"):
        monkeypatch.setattr(f"api.web.rate_limits.{name}", "100000 per 5 minutes")
    settings_env(SUPPORT_EMAIL="support@example.org", TELEGRAM_BOT_NAME="rdvpriority_bot", FRIENDS="true")
    return populate(app)
