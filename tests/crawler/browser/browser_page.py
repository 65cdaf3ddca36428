"""Pages for a real browser, and desks that are watched by it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
from babel.dates import format_date

from configs.world.desk import Desk
from tests.crawler.held import make_desk
from tests.crawler.wire import Say, Wire, answer, wire
from tests.sample_desk_files import PREFECTURE, desk_entry, prefecture_file

PARIS = ZoneInfo("Europe/Paris")
_WORDS = "EEEE d MMMM y"
RULES = {"available": "li.libre", "date": ".", "no_slot_text": "Plus rien"}
# A browser's clock is the machine's: moments of a fixed day are past one day.
DAYS = [datetime.now(PARIS).date() + timedelta(days=ahead) for ahead in (3, 4)]
SLOT = f"<li class=libre>{format_date(DAYS[0], _WORDS, locale='fr')} à 10h30"
NONE = "<p>Plus rien"


def page(body: str, **headers: str) -> Say:
    """Return what answers with an HTML page."""
    return answer(
        f"<!doctype html><html><head><title>RDV</title></head><body>{body}</body></html>".encode(), **headers
    )


@contextmanager
def site(pages: Mapping[str, Say], host: str = "127.0.0.1") -> Iterator[Wire]:
    """Serve pages by their paths until the block ends; anything else is missing."""

    def say(connection: Any, request: bytes) -> None:
        path = request.split(b" ")[1].decode().partition("?")[0]
        pages.get(path, answer(b"<html>?</html>", status="404 Not Found"))(connection, request)

    with wire(say, host) as served:
        yield served


def desk_at(url: str, rules: Mapping[str, Any] = RULES, **fields: Any) -> Desk:
    """Return a desk that needs a browser."""
    return make_desk(url, platform="selectors", fetch="browser", parameters=rules, **fields)


def paths(served: Wire) -> list[str]:
    """Return what was asked, in order."""
    return [line.split(" ")[1] for line in served.lines]


def browsers(below: int | None = None) -> list[psutil.Process]:
    """Return the browsers that run below a process, this one by default: the first process of each."""
    found = []
    for process in psutil.Process(below or os.getpid()).children(recursive=True):
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if "--remote-debugging-pipe" in line and not any(each.startswith("--type=") for each in line):
            found.append(process)
    return found


def spider_at(url: str, browser: Path, folder: Path, **env: str) -> "subprocess.Popen[str]":
    """Start a spider that checks a page once in a browser; `folder` gets its desk file."""
    rules = "".join(f"      {name}: {value!r}\n" for name, value in RULES.items())
    entry = desk_entry("carte", url, DAYS[0] - timedelta(days=9), fetch="browser").replace(
        "ezbooking", "selectors"
    )
    text = prefecture_file(tier=1, hosts=[], desks=[f"{entry}    parameters:\n{rules}"])
    (folder / f"{PREFECTURE}.yaml").write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "scrapy", "crawl", "custom", "-a", "desk=carte"],
        env={**os.environ, "BROWSER_PATH": str(browser), "PREFECTURES_DIR": str(folder), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
