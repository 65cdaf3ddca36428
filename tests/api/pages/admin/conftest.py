import pytest
from flask import Flask

from api.models.user import Role
from tests.clients import Browser, seat_operator


@pytest.fixture
def admin(app: Flask) -> Browser:
    """A browser in which admin@example.org is signed in, who may act."""
    return seat_operator(app)


@pytest.fixture
def support(app: Flask) -> Browser:
    """A browser in which support@example.org is signed in, who reads."""
    return seat_operator(app, Role.SUPPORT)
