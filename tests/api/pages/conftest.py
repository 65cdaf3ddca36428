from collections.abc import Callable

import pytest
from flask import Flask

from tests.api.pages.accounts import create_account, sign_in
from tests.api.pages.browser import Browser


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
    """A browser in which camille@example.org is signed in."""
    create_account()
    return sign_in(visitor)
