from collections.abc import Callable

import pytest
from flask import Flask

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
