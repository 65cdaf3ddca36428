"""The answer of a WebSocket as one body: its text frames, one on a line, as they came.

A line break inside a frame becomes a space: in JSON it can only be white space. So a saved answer is a file that
people, `scrapy read` and tools for JSON lines can read. Whether it is whole, its own last frame says, by the
platform's rule; where the connection broke off or the time was up, the header CUT_OFF says so beside it.
"""

from collections.abc import Iterable
from dataclasses import replace

from crawler.reading import Page

CUT_OFF = "X-Cut-Off"  # of ours, no server's: why there is no more
_ONE_LINE = str.maketrans("\r\n", "  ")


def body_of(frames: Iterable[str]) -> bytes:
    """Return text frames as a body."""
    return b"\n".join(frame.translate(_ONE_LINE).encode("utf-8", "replace") for frame in frames)


def frames_of(page: Page) -> list[Page]:
    """Return each frame of a body as a page of its own; lines without anything are none."""
    return [replace(page, body=line) for line in page.body.split(b"\n") if line.strip()]


def cut_off(page: Page) -> str | None:
    """Return why the answer broke off; None where it came to an end of its own."""
    return page.headers.get(CUT_OFF.lower())
