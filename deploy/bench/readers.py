"""Speed of the readers, per platform: golden pages read as a crawl reads them, beside a bare parse of the same.

And the longest that one page of the largest size takes which repeats one piece again and again: the event loop waits.
"""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from lxml import etree, html

from crawler.block_pages import classify_page
from crawler.platform_base import Platform
from crawler.platforms import platform
from crawler.reading import Page
from deploy.bench.figures import Effort, Figure, Say, at_most

_ROUNDS = 200
_HOSTILE = 40  # pages a reader
_LARGEST = 2_000_000  # bytes of a page (DOWNLOAD_MAXSIZE)
_GOAL = 300.0  # ms


def run(effort: Effort, say: Say) -> list[Figure]:
    """Read each platform's pages in turns with bare parses; the fastest round of each counts."""
    figures = []
    logging.disable()  # unreadable pages would be logged
    for name, pages in sorted(_golden().items()):
        whole = _fastest(partial(_classify, platform(name)), pages, effort.of(_ROUNDS, 3))
        bare = _fastest(_parse, pages, effort.of(_ROUNDS, 3))
        size, number = sum(len(page.body) for page in pages), len(pages)
        say(f"{name}: {number} pages of {size / number:.0f} bytes; read {1e6 * whole / number:.0f} µs, "
            f"parsed {1e6 * bare / number:.0f} µs a page")  # fmt: skip
        figures += [
            Figure(f"{name}: pages/s", number / whole),
            Figure(f"{name}: time ÷ a bare parse", whole / bare),
            Figure(f"{name}: ms, the worst hostile page of 2 MB", _worst(name, effort), at_most(_GOAL)),
        ]
    logging.disable(logging.NOTSET)
    return figures


def _golden() -> dict[str, list[Page]]:
    from tests.crawler.golden import CASES, load  # noqa: PLC0415 -- of the repository, which is where this runs

    found: dict[str, list[Page]] = defaultdict(list)
    for case in CASES:
        found[case.parent.name].append(load(case))
    return found


def _worst(name: str, effort: Effort) -> float:
    """Return the CPU milliseconds of the page that takes the longest, the better of two times each."""
    from tests.crawler.hostile import hostile, reading, seconds  # noqa: PLC0415 -- as above

    pages = (hostile(name, seed)(_LARGEST) for seed in range(effort.of(_HOSTILE, 3)))
    return 1000 * max(min(seconds(reading(name), page) for _ in range(2)) for page in pages)


def _fastest(act: Callable[[Page], object], pages: Sequence[Page], rounds: int) -> float:
    """Return the seconds of the fastest round over all pages, each time as if they had just come."""
    best = float("inf")
    for _ in range(rounds):
        fresh = [replace(page) for page in pages]
        began = time.perf_counter()
        for page in fresh:
            act(page)
        best = min(best, time.perf_counter() - began)
    return best


def _classify(reader: Platform, page: Page) -> object:
    return classify_page(reader, page)


def _parse(page: Page) -> object:
    """Parse a body as what it is: JSON, a document of it on each line, or HTML."""
    if page.body.lstrip()[:1] not in (b"{", b"["):
        try:
            return html.document_fromstring(page.body)
        except etree.ParserError:
            return None
    try:
        return json.loads(page.body)
    except ValueError:
        return [_document(line) for line in page.body.splitlines()]


def _document(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None
