"""Checks of an answer's headers, cookies and links, on pages of all kinds; digests of tables, to see that it changed nothing."""

import re

import sqlalchemy as sa
from werkzeug.test import TestResponse

from api.models.base import Base, engine
from tests.clients import Page, check_page

_HEADERS = {"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff"}


def check_answer(response: TestResponse) -> Page | None:
    """Check headers, cookies, and the page itself where it is one; return that."""
    where = f"{response.request.method} {response.request.path}"
    assert response.status_code < 500, where
    for name, value in _HEADERS.items():
        assert response.headers[name] == value, where
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"], where
    is_link = response.request.path.startswith("/l/")
    expected = "no-referrer" if is_link or response.mimetype != "text/html" else "same-origin"
    assert response.headers["Referrer-Policy"] == expected, where
    _check_cookies(response)
    if response.mimetype != "text/html" or not response.text or response.location:
        return None
    page = check_page(response)
    _check_links(page)
    return page


def _check_cookies(response: TestResponse) -> None:
    """A cookie is for this host, for https, for no script, and not sent by forms of other sites."""
    for cookie in response.headers.getlist("Set-Cookie"):
        name, _, rest = cookie.partition("=")
        assert name in (
            "__Host-access",
            "__Host-refresh",
            "__Host-session",
            "__Host-known",
            "__Host-registered",
        ), cookie
        flags = {each.strip() for each in rest.split(";")[1:]}
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= flags, cookie
        assert not any(each.startswith("Domain") for each in flags), cookie


def _check_links(page: Page) -> None:
    """No address leads to a script, nor by two slashes to another site."""
    for tag, at in page.tags:
        for name in ("href", "src", "action", "data-live", "data-module"):
            link = at.get(name, "/")
            assert not re.match(r"\s*(javascript|data|vbscript):|[/\\]{2}|/\\", link, re.IGNORECASE), (
                tag,
                link,
            )


def check_keeping(response: TestResponse, access: str) -> None:
    """Only public pages may be kept, and they set no cookie."""
    control = response.headers.get("Cache-Control", "")
    if access == "public":
        assert control.startswith("public, max-age="), (response.request.path, control)
        assert "Set-Cookie" not in response.headers
    else:
        assert control == "no-store", (response.request.path, control)


def read_digests() -> dict[str, str]:
    """Return a digest of each table that has rows."""
    names = sorted(set(Base.metadata.tables) - {"alembic_version"})
    parts = " UNION ALL ".join(
        f"SELECT '{name}', md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t"  # noqa: S608 -- our tables' names
        for name in names
    )
    with engine().connect() as connection:
        return {name: digest for name, digest in connection.execute(sa.text(parts)) if digest}
