"""A page that reaches out of its check, in a real Chromium: metadata of a cloud, other hosts, workers, WebRTC."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("browser")]
_NAMESPACE = ("unshare", "--net", "--map-root-user")


def attack(how: str, browser: Path) -> Any:
    if subprocess.run([*_NAMESPACE, "ip", "link"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here")
    command = [*_NAMESPACE, sys.executable, "-m", "tests.crawler.browser.attack", how, str(browser)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout)


def test_a_page_that_reaches_out_of_its_check_reaches_nothing(browser: Path) -> None:
    found = attack("crawl", browser)
    assert found["reached"] == []
    page, away = found["said"]
    assert "NO_SLOTS" in page, "it was read after all that it tried"
    assert "redirected to another site: http://93.184.215.99/" in away


def test_the_same_page_reaches_all_of_it_without_our_guards(browser: Path) -> None:
    reached = attack("bare", browser)["reached"]
    metadata = [f"169.254.169.254:80/{what}" for what in ("fetch", "frame", "redirect", "socket", "worker")]
    more = {"93.184.215.99:80/redirect", "127.0.0.1:8081/fetch", "169.254.169.254:3478 by UDP"}
    assert {*metadata, *more} <= set(reached)
