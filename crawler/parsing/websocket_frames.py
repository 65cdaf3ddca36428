"""WebSocket answers as one body: the text frames in their order, one on a line.

A line break inside a frame becomes a space, because in JSON it can only be white space. So people, `scrapy read` and
tools for JSON lines can read a saved answer. The platform decides by the last frame whether the answer is complete.
If the connection broke off or the time was up, the header CUT_OFF says why.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from crawler.parsing.json_models import parse_json
from crawler.reading import Outcome, Page, Reading

_MOST = 10_000  # frames: a search is answered in some hundreds
CUT_OFF = "X-Cut-Off"  # our own header: why the answer broke off
_ONE_LINE = str.maketrans("\r\n", "  ")
_BREAK = re.compile(rb"\n(?![\s\]}])")  # the next line belongs to a new frame


def body_of(frames: Iterable[str]) -> bytes:
    """Return text frames as a body."""
    return b"\n".join(frame.translate(_ONE_LINE).encode("utf-8", "replace") for frame in frames)


def frames_of(page: Page, last: str) -> list[Page]:
    """Return each frame of a body as a page; empty lines are skipped.

    Other tools save frames indented, or all in one JSON array, which is recognised by its end: a frame with the word
    `last`. A body with more than _MOST frames stays one page, which no reader understands.
    """
    lines = [line.strip() for line in _BREAK.split(page.body.removeprefix(b"\xef\xbb\xbf"))]
    if len(lines) > _MOST:
        return [page]
    frames = [replace(page, body=line) for line in lines if line]
    if len(frames) == 1 and (saved := _read_saved_array(frames[0], last)):
        return [replace(page, body=json.dumps(frame).encode()) for frame in saved]
    return frames


def read_unended(page: Page) -> Reading:
    """Return the reading of a body whose last frame does not end the answer."""
    if why := page.headers.get(CUT_OFF.lower()):
        return Reading(Outcome.UNREACHABLE, f"the search did not end: {why}")
    return Reading(Outcome.UNREADABLE, "the search did not end: its last frame is no end of the search")


def _read_saved_array(alone: Page, last: str) -> list[Any]:
    """Return the frames saved as one array: lists, then the frame that ends the answer."""
    found = parse_json(alone, list[Any]) or [None]
    *lists, end = found
    return found if all(isinstance(each, list) for each in lists) and last in json.dumps(end) else []
