from collections.abc import Callable

import pytest
from flask import Flask

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
