"""Screenshots of stored pages: a browser renders the body without network.

The body is served at its own address, so that its links and its charset work. All other requests are aborted, and no
name is resolved. Scripts are off: without the network they load nothing, and foreign code must not run here. A body
that is no HTML is shown as text.
"""

import html
import re
from typing import Any

from playwright.sync_api import FloatRect, sync_playwright

from configs.ground.proofs import Meta
from configs.programs.browser_binary import arguments, browser_path, sandboxed
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


def take_picture(meta: Meta, body: bytes) -> bytes:
    """Start a browser without network and return its screenshot of a page, as PNG.

    Raises:
        playwright.sync_api.Error: the browser does not start, cannot render the page, or died.
    """
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=browser_path(),
            args=[*arguments(), *_OFF],
            chromium_sandbox=sandboxed(),
            timeout=_PATIENCE,
        ) as browser,
    ):
        page = browser.new_page(
            java_script_enabled=False,
            offline=True,
            accept_downloads=False,
            service_workers="block",
            viewport={"width": _WIDTH, "height": _HEIGHT},
            locale="fr-FR",
            timezone_id=meta.time_zone,
        )
        # The first request is answered; all others are aborted, so that the page stays where it is. One route does
        # both: while Playwright takes away one that has done its part, two of them may answer the same request.
        answers = [_answer(meta, body)]
        page.context.route(
            "**/*",
            lambda route: route.fulfill(**answers.pop()) if answers else route.abort("aborted"),
        )
        url = re.sub(r"^ws", "http", meta.url)  # the frames of a socket are shown as a page
        page.goto(url, wait_until="load", timeout=_PATIENCE)
        is_tall = int(page.evaluate("document.documentElement.scrollHeight")) > _TALLEST
        clip: FloatRect | None = {"x": 0, "y": 0, "width": _WIDTH, "height": _TALLEST} if is_tall else None
        return page.screenshot(timeout=_PATIENCE, animations="disabled", full_page=True, clip=clip)


def _answer(meta: Meta, body: bytes) -> dict[str, Any]:
    """Return what the browser is given: HTML as it was fetched, anything else as text."""
    if is_html(body):
        kind = meta.headers.get("content-type", "")
        return {"body": body, "content_type": kind if "html" in kind else "text/html"}
    text = body.decode("utf-8", "replace")[:_LONGEST_TEXT]
    made = _TEXT.format(url=html.escape(meta.url), text=html.escape(text))
    return {"body": made, "content_type": "text/html; charset=utf-8"}
