"""Pictures by a real browser: the stored page is shown, and nothing leaves."""

import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
import redis
from playwright.sync_api import Error

from configs.ground.object_store import Blobs
from configs.ground.proof_queue import list_waiting
from configs.ground.proofs import picture_of
from crawler.proofs import screenshots
from crawler.proofs.job import store_page
from crawler.proofs.outbox import enqueue, meta_of
from tests.crawler.proofs.conftest import capture, proof
from tests.samples import try_first

T = TypeVar("T")
pytestmark = pytest.mark.usefixtures("browser")


def shot(body: bytes, url: str = "https://www.essonne.gouv.fr/booking", **headers: str) -> bytes:
    return aside(
        lambda: screenshots.take_picture(meta_of(proof(shown=capture(body, url=url, **headers))), body)
    )


def size(png: bytes) -> tuple[int, int]:
    """Return width and height (https://www.w3.org/TR/png/#11IHDR)."""
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def aside(act: Callable[[], T]) -> T:
    """Do something in a thread of its own: Playwright takes one browser's loop a thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act).result()


def colours(png: bytes) -> int:
    """Return about how much is to be seen: the packed size of a blank page is a few kB."""
    return len(png)


@pytest.mark.journey
def test_the_whole_page_is_shown_to_a_bound() -> None:
    """A longer one than a window is below, one of its size at the end."""
    assert size(shot(b"<html><body style='margin:0;height:90000px'>x")) == (1920, 12000)
    scrolls = b"<!doctype html><style>html,body{height:100%;margin:0;overflow-y:auto}</style><ul>"
    assert size(shot(scrolls + b"<li>x" * 200))[1] > 2000
    assert size(shot(b"<html><body><div style='width:4000px'>x</div>"))[0] >= 4000


@pytest.mark.rule("4.9")
def test_nothing_leaves_whatever_the_page_tries() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0)
        far = f"http://127.0.0.1:{server.getsockname()[1]}"
        page = f"""<html><head><meta http-equiv="refresh" content="0;url={far}/refresh">
            <link rel="preconnect" href="{far}"><link rel="dns-prefetch" href="{far}">
            <link rel="prefetch" href="{far}/p"><link rel="stylesheet" href="{far}/s.css">
            <script src="{far}/s.js"></script><script>fetch("{far}/f"); document.body.style.height = "2000px"</script>
            </head><body style="margin:0;height:1500px" background="{far}/b.png"><img src="{far}/i.png">
            <iframe src="{far}/frame"></iframe><iframe srcdoc="<img src='{far}/inner.png'>"></iframe>
            <video src="{far}/v.mp4" autoplay></video><object data="{far}/o"></object></body></html>"""
        assert size(shot(page.encode(), url=f"{far}/booking")) == (1920, 1500)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.journey
def test_a_page_is_shown_in_its_own_charset() -> None:
    words = "<p style='font-size:200px'>éàù"
    utf, latin = words.encode(), words.encode("latin-1")
    assert shot(latin, content_type="text/html; charset=iso-8859-1") == shot(
        utf, content_type="text/html; charset=utf-8"
    )


@pytest.mark.parametrize("url", try_first(["https://x.fr/api?motive=1", "wss://x.fr/socket"], 1))
@pytest.mark.journey
def test_what_is_no_html_is_shown_as_text(url: str) -> None:
    body = b'{"availabilities": [{"date": "2026-12-01", "slots": ["<script>"]}]}'
    png = shot(body, url=url, content_type="application/json")
    assert size(png) == (1920, 1080)
    assert colours(png) > colours(shot(b"<p>"))


@pytest.mark.journey
def test_a_job_makes_the_picture_of_a_stored_page(blobs: Blobs, redis_server: redis.Redis) -> None:
    enqueue(proof())
    (name,) = list_waiting(redis_server)
    aside(lambda: store_page(str(name)))
    assert picture_of(blobs, proof().key).startswith(b"\x89PNG")


def test_a_browser_that_does_not_start_is_named(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    program = tmp_path / "browser"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    settings_env(BROWSER_PATH=program)

    with pytest.raises(Error, match=r"BrowserType\.launch"):
        shot(b"<p>")
