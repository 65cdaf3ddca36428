"""The state that a page carries as JSON in a script, searched by key: how it is wrapped differs from page to page."""

import json
from collections.abc import Iterator
from typing import Any

from crawler.parsing.html_text import UNSEEN
from crawler.reading import Page


def read_state(page: Page, script: str, key: str) -> Any:
    """Return what stands under a key of the JSON object in the one script with this id.

    None where there is no such script, or several, or it is no JSON, or no object with this key.
    """
    if script.encode() not in page.body:
        return None
    found = page.root.xpath(f"//script[@id=$id][not({UNSEEN})]", id=script)
    try:
        state = json.loads(found[0].text or "") if len(found) == 1 else None
    except (ValueError, RecursionError):
        return None
    return state.get(key) if isinstance(state, dict) else None


def values(state: Any, key: str) -> list[Any]:
    """Return every value of a key, however deep."""
    return [each[key] for each in _nodes(state) if isinstance(each, dict) and key in each]


def values_called(state: Any, words: str) -> list[Any]:
    """Return every value, however deep, whose key has these words in it, in lower or upper case."""
    nodes = (each for each in _nodes(state) if isinstance(each, dict))
    return [value for each in nodes for key, value in each.items() if words.lower() in key.lower()]


def only(state: Any, key: str) -> Any:
    """Return the value of a key where all that have it agree; None where none has it, or they do not."""
    found = values(state, key)
    return found[0] if found and all(value == found[0] for value in found) else None


def rows(state: Any, key: str) -> list[dict[str, Any]]:
    """Return the objects with this key that stand in lists, in their order; once where what they name is the same."""
    lists = (each for each in _nodes(state) if isinstance(each, list))
    listed = [row for each in lists for row in each if isinstance(row, dict) and key in row]
    once: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}
    for row in listed:
        once.setdefault(_row_identity(row), row)
    return list(once.values())


def _row_identity(row: dict[str, Any]) -> frozenset[tuple[str, str]]:
    """Return what a row says by itself, beside the lists and objects in it: those are rows of their own."""
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
