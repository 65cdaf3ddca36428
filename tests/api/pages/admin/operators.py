"""Operators in browsers: signed in, with a second factor that this login has shown."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from api.models.base import session
from api.models.user import Role, User
from configs.clock import clock
from tests.api.pages.accounts import create_account
from tests.api.pages.browser import Browser
from tests.api.pages.walk.population import give_login, read_cookies


def give_role(user_id: UUID, role: Role, *, second_factor: bool = True) -> None:
    """Make a user an operator. The second factor is a day old, so that a login of now has shown it."""
    confirmed = clock() - timedelta(days=1) if second_factor else None
    values = {
        "role": role,
        "totp_secret": "secret" if second_factor else None,
        "totp_confirmed_at": confirmed,
    }
    with session() as s:
        s.execute(sa.update(User).where(User.id == user_id).values(**values))


def send_twice(browser: Browser, action: str, **fields: str) -> list[int]:
    """Send a form of the open page twice at the same time; return the statuses of the answers."""
    form = browser.page.find_form(action)
    data = form["fields"] | fields
    cookies = "; ".join(f"{name}={value}" for name, value in read_cookies(browser).items())
    headers = browser.headers | {"Cookie": cookies}

    def send(_: int) -> int:
        client = browser.client.application.test_client(use_cookies=False)
        return client.post(form["attributes"]["action"], data=data, headers=headers).status_code

    with ThreadPoolExecutor(2) as pool:
        return sorted(pool.map(send, range(2)))


def seat_operator(
    app: Flask,
    role: Role = Role.ADMIN,
    *,
    second_factor: bool = True,
    language: str = "fr",
    email: str | None = None,
) -> Browser:
    """Return a browser in which a new operator is signed in."""
    user = create_account(email or f"{role.value}@example.org", language)
    give_role(user.id, role, second_factor=second_factor)
    browser = Browser(app, language=language)
    give_login(browser, user.id)
    return browser
