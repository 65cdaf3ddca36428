"""The app behind a real HTTP server on loopback, in the process of the tests."""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from flask import Flask
from playwright.sync_api import BrowserContext, Page
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tests.clients import Browser

_KEPT = Path(__file__).parents[2] / ".state" / "browser"


class MakeContext(Protocol):
    """Makes a browser context that is watched; pages of `url` need no address before their path.

    `touch`: a phone; `address`: of its network, as a proxy names it.
    """

    def __call__(
        self,
        url: str,
        *,
        language: str = "fr",
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        javascript: bool = True,
        touch: bool = False,
        address: str = "",
    ) -> BrowserContext: ...


def keep_page(page: Page, name: str) -> Path:
    """Write picture and HTML of a page to .state/browser; return the picture's path."""
    _KEPT.mkdir(parents=True, exist_ok=True)
    file = _KEPT / re.sub(r"[^\w-]+", "_", name)
    file.with_suffix(".html").write_text(page.content(), "utf-8")
    page.screenshot(path=file.with_suffix(".png"), full_page=True)
    return file.with_suffix(".png")


class _QuietHandler(WSGIRequestHandler):
    def log(self, *arguments: object) -> None:
        """Print no line for each request."""


class Server:
    """A server that outlives the tests, so that the pages keep their address; each test gives it its app."""

    def __init__(self) -> None:
        self.app: Flask | None = None
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=_QuietHandler
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def run(self) -> Iterator["Server"]:
        """Answer until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self.app is None:
            raise RuntimeError("no test is running: a browser of one that ended still asks")
        return self.app(environ, start_response)


@dataclass(frozen=True, slots=True)
class Site:
    """The pages of one test: their address, and the app behind it."""

    url: str
    app: Flask

    def give_login(self, context: BrowserContext, user_id: UUID) -> None:
        """Give a browser the cookies of a new login, without the form, which may ask for a second factor."""
        browser = Browser(self.app)
        browser.give_login(user_id)
        # Chromium takes such a cookie only from https, and sends it to http on loopback.
        url = self.url.replace("http:", "https:")
        for name, value in browser.cookies.items():
            context.add_cookies([{"name": name, "value": value, "url": url, "secure": True}])
