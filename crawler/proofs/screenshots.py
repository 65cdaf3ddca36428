"""Screenshots of stored pages: a browser renders the body without network.

The body is served at its own address, so that its links and its charset work. All other requests are aborted, and no
name is resolved. Scripts are off: without the network they load nothing, and foreign code must not run here. A body
that is no HTML is shown as text, JSON indented.
"""

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from playwright.sync_api import Browser, Error, Page, Route, sync_playwright

from configs.ground.browser_binary import arguments, browser_path, missing_browser, sandboxed
from configs.ground.proofs import Meta
from crawler.reading import is_html

_WIDTH, _HEIGHT = 1920, 1080
_TALLEST = 12_000  # pixels; the rest is cut off, because a screenshot needs memory
_LONGEST_TEXT = 200_000  # characters
_PATIENCE = 30_000  # milliseconds, for loading and for the screenshot
# Block all other ways to the network: name resolution, sockets, WebRTC.
_OFF = (
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:1",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--renderer-process-limit=1",
)
_TEXT = """<!doctype html><meta charset="utf-8"><title>{url}</title>
<style>body{{font:16px/1.5 monospace;margin:24px}} h1{{font-size:16px}} pre{{white-space:pre-wrap}}</style>
<h1>{url}</h1><pre>{text}</pre>"""


class NoPicture(RuntimeError):
    """A page cannot be rendered; the text says why."""


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start a browser without network.

    Raises:
        NoPicture: there is none, or it does not start.
    """
    path = browser_path()
    if not path:
        raise NoPicture(missing_browser() or "there is no browser")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=path,
                args=[*arguments(), *_OFF],
                chromium_sandbox=sandboxed(),
                timeout=_PATIENCE,
            )
        except Error as error:
            raise NoPicture(f"{path} does not start: {_first_line(error)}") from None
        try:
            yield browser
        finally:
            with suppress(Error):  # it died before
                browser.close()


def picture(browser: Browser, meta: Meta, body: bytes) -> bytes:
    """Return a screenshot of a page as PNG.

    Raises:
        NoPicture: the browser cannot render it, or died.
    """
    try:
        context = browser.new_context(
            java_script_enabled=False,
            offline=True,
            accept_downloads=False,
            service_workers="block",
            viewport={"width": _WIDTH, "height": _HEIGHT},
            locale="fr-FR",
            timezone_id=meta.time_zone,
        )
        with context:
            page = context.new_page()
            shown = _answer(meta, body)
            context.route("**/*", lambda route: _serve(route, shown))
            url = re.sub(r"^ws", "http", meta.url)  # the frames of a socket are shown as a page
            page.goto(url, wait_until="load", timeout=_PATIENCE)
            return page.screenshot(timeout=_PATIENCE, animations="disabled", **_extent(page))
    except Error as error:
        raise NoPicture(_first_line(error)) from None


def _serve(route: Route, shown: dict[str, Any]) -> None:
    """Answer the first request with the page; abort all others, so that the page stays where it is."""
    if shown:
        answer = dict(shown)
        shown.clear()
        route.fulfill(**answer)
    else:
        route.abort("aborted")


def _answer(meta: Meta, body: bytes) -> dict[str, Any]:
    if is_html(body):
        kind = meta.headers.get("content-type", "")
        return {
            "status": 200,
            "body": body,
            "headers": {"content-type": kind if "html" in kind else "text/html"},
        }
    made = _TEXT.format(url=html.escape(meta.url), text=html.escape(_readable(body)[:_LONGEST_TEXT]))
    return {"status": 200, "body": made, "headers": {"content-type": "text/html; charset=utf-8"}}


def _readable(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def _extent(page: Page) -> dict[str, Any]:
    """Return the extent of the screenshot: the whole page, or the top of a very tall one."""
    height = int(page.evaluate("document.documentElement.scrollHeight"))
    if height <= _TALLEST:
        return {"full_page": True}
    return {"full_page": True, "clip": {"x": 0, "y": 0, "width": _WIDTH, "height": _TALLEST}}


def _first_line(error: Error) -> str:
    return error.message.splitlines()[0]
