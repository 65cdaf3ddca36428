from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from api.models.audit import AuditEntry
from api.models.user import Role, User
from tests.clients import Browser, seat_operator
from tests.factories import add_account, get, rows


@pytest.fixture
def admin(app: Flask) -> Browser:
    """A browser in which admin@example.org is signed in, who may act."""
    return seat_operator(app)


@pytest.fixture
def support(app: Flask) -> Browser:
    """A browser in which support@example.org is signed in, who reads."""
    return seat_operator(app, Role.SUPPORT)


@pytest.fixture
def camille_id() -> UUID:
    return add_account().id


def audit(action: str, **wanted: Any) -> list[AuditEntry]:
    """Return the audit rows of an action with these values, the oldest first."""
    given = (getattr(AuditEntry, name) == value for name, value in wanted.items())
    return rows(AuditEntry, AuditEntry.action == action, *given)


def read_role(user_id: UUID) -> Role:
    return Role(get(User, user_id).role)


def plain(text: str) -> str:
    """Return a text with ordinary blanks, one between words."""
    return " ".join(text.split())


def act(browser: Browser, path: str, **fields: Any) -> str:
    """Carry an action out by its form; return what the page says that it leads to, or the form that refuses."""
    browser.get(path)
    browser.send(path.partition("?")[0].rpartition("/")[2], **fields)
    return browser.follow().text if browser.status == 303 else browser.page.text


def walk(browser: Browser, path: str, show: Callable[[list[str]], str]) -> Iterator[list[str]]:
    """Yield what each page of a list shows of its rows, from the first to the last."""
    following: str | None = path
    while following:
        page = browser.get(following)
        yield [show(each) for each in page.rows]
        following = page.next
