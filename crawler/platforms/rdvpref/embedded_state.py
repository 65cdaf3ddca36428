"""The JSON state in a page's script, searched by key: its nesting differs from page to page."""

import json
from collections.abc import Iterator
from typing import Any

from crawler.parsing.html_text import UNSEEN
from crawler.reading import Page


def read_state(page: Page, script: str, key: str) -> Any:
    """Return the value of a key in the JSON object of the only script with this id; None without such a value."""
    if script.encode() not in page.body:
        return None
    found = page.root.xpath(f"//script[@id=$id][not({UNSEEN})]", id=script)
    try:
        state = json.loads(found[0].text or "") if len(found) == 1 else None
    except (ValueError, RecursionError):
        return None
    return state.get(key) if isinstance(state, dict) else None


def values(state: Any, key: str) -> list[Any]:
    """Return every value of a key, at any depth."""
    return [each[key] for each in _nodes(state) if isinstance(each, dict) and key in each]


def values_called(state: Any, words: str) -> list[Any]:
    """Return every value, at any depth, whose key contains these words in any case."""
    nodes = (each for each in _nodes(state) if isinstance(each, dict))
    return [value for each in nodes for key, value in each.items() if words.lower() in key.lower()]


def only(state: Any, key: str) -> Any:
    """Return the value of a key if all its values are equal; None without one, or with several."""
    found = values(state, key)
    return found[0] if found and all(value == found[0] for value in found) else None


def rows(state: Any, key: str) -> list[dict[str, Any]]:
    """Return the list items that are objects with this key, in their order, without duplicates."""
    lists = (each for each in _nodes(state) if isinstance(each, list))
    listed = [row for each in lists for row in each if isinstance(row, dict) and key in row]
    once: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}
    for row in listed:
        once.setdefault(_row_identity(row), row)
    return list(once.values())


def _row_identity(row: dict[str, Any]) -> frozenset[tuple[str, str]]:
    """Return a row's own values, without its inner lists and objects: those are rows of their own."""
    return frozenset((key, repr(value)) for key, value in row.items() if not isinstance(value, dict | list))


def _nodes(state: Any) -> Iterator[Any]:
    waiting = [state]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, dict):
            waiting += reversed(node.values())
        elif isinstance(node, list):
            waiting += reversed(node)
