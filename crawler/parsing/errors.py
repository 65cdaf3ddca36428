"""Answers with an error's status: whatever else such a page shows, it proves nothing about slots."""

from typing import Any

from crawler.parsing.json_models import parse_json
from crawler.reading import GONE, Outcome, Page, Reading

_LONGEST = 200  # characters of a server's words


def read_error_status(page: Page, *, entry: bool = False, gone: str = "") -> Reading | None:
    """Say what an error's status means to a desk; None where the page has none and is to be read.

    `entry`: the page is the desk's own address, so that it is closed where nothing is there any more (404, 410);
    behind it the same may mean a session that ended. `gone`: what the site means by it, in words, for the reason.
    Any other error is the base's to sort: a silent reading.
    """
    if not page.is_error:
        return None
    if entry and page.status in GONE:
        return Reading(Outcome.CLOSED, f"HTTP {page.status}: {gone}" if gone else f"HTTP {page.status}")
    return Reading()


def error_message(page: Page, *keys: str) -> str:
    """Return what a server says in the JSON object of its error, under the first of these keys that says anything."""
    told = parse_json(page, dict[str, Any], errors=True) or {}
    return next((str(told[key])[:_LONGEST] for key in keys if told.get(key)), "")
