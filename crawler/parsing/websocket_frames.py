"""The answer of a WebSocket as one body: its text frames, one on a line, as they came.

A line break inside a frame becomes a space: in JSON it can only be white space. So a saved answer is a file that
people, `scrapy read` and tools for JSON lines can read. Whether it is whole, its own last frame says, by the
platform's rule; where the connection broke off or the time was up, the header CUT_OFF says so beside it.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from crawler.parsing.json_models import parse_json
from crawler.reading import Outcome, Page, Reading

_MOST = 10_000  # frames: a search is answered in some hundreds
CUT_OFF = "X-Cut-Off"  # of ours, no server's: why there is no more
_ONE_LINE = str.maketrans("\r\n", "  ")
_BREAK = re.compile(rb"\n(?![\s\]}])")  # what begins behind it belongs to no frame before


def body_of(frames: Iterable[str]) -> bytes:
    """Return text frames as a body."""
    return b"\n".join(frame.translate(_ONE_LINE).encode("utf-8", "replace") for frame in frames)


def frames_of(page: Page, last: str) -> list[Page]:
    """Return each frame of a body as a page of its own; lines without anything are none.

    Other tools save frames with indents, or all of them in one JSON array: that is known by the frame in it that
    holds `last`, the word of the end. More frames than any search has are left as one page, which is none.
    """
    lines = [line.strip() for line in _BREAK.split(page.body.removeprefix(b"\xef\xbb\xbf"))]
    if len(lines) > _MOST:
        return [page]
    frames = [replace(page, body=line) for line in lines if line]
    if len(frames) == 1 and (saved := _read_saved_array(frames[0], last)):
        return [replace(page, body=json.dumps(frame).encode()) for frame in saved]
    return frames


def cut_off(page: Page) -> str | None:
    """Return why the answer broke off; None where it came to an end of its own."""
    return page.headers.get(CUT_OFF.lower())


def read_unended(page: Page) -> Reading:
    """Say what it means that a body's last frame is not the one that ends the answer."""
    if why := cut_off(page):
        return Reading(Outcome.UNREACHABLE, f"the search did not end: {why}")
    return Reading(Outcome.UNREADABLE, "the search did not end: its last frame is no end of the search")


def _read_saved_array(alone: Page, last: str) -> list[Any]:
    """Return the frames that were saved as one array: lists, and behind them what tells of the end."""
    found = parse_json(alone, list[Any]) or [None]
    *lists, end = found
    return found if all(isinstance(each, list) for each in lists) and last in json.dumps(end) else []
