"""Journal of the watching, posted by the local stack and shown on the inbox page."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.request_body import Body, moments, read_body, text, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS: Final = ("rest", "stop", "outage", "watched", "gone")
_KEYS: Final = frozenset({"kind", "at", "where", "why", "until", "since", "count"})
_NEEDED: Final = ("kind", "at", "where")
_KEPT: Final = 40  # entries; the page shows the newest


class Journal:
    """The newest entries, oldest first, as they were posted."""

    def __init__(self) -> None:
        self._entries: deque[Body] = deque(maxlen=_KEPT)

    def add(self, entries: Iterable[Body]) -> None:
        """Keep entries; a Refusal names what is wrong with one, and none is kept."""
        self._entries.extend([_checked(entry) for entry in entries])

    def to_json(self) -> list[Body]:
        """Return them as the page shows them."""
        return list(self._entries)

    def clear(self) -> None:
        """Forget them."""
        self._entries.clear()

    async def post(self, request: web.Request) -> web.Response:
        """Take ``{"entries": [{"kind", "at", "where", "why", "until", "since", "count"}]}``."""
        entries = (await read_body(request, frozenset({"entries"}))).get("entries")
        if not isinstance(entries, list):
            raise Refusal("entries must be a list")
        self.add(entries)
        return web.json_response({"kept": len(self._entries)})


def _checked(entry: Any) -> Body:
    if not isinstance(entry, dict):
        raise Refusal(f"an entry must be an object, not {entry!r}")
    if unknown := sorted(set(entry) - _KEYS):
        raise Refusal(f"unknown key {unknown[0]!r}", known=sorted(_KEYS))
    if missing := [key for key in _NEEDED if entry.get(key) is None]:
        raise Refusal(f"{missing[0]} is missing")
    if entry["kind"] not in KINDS:
        raise Refusal(f"unknown kind {entry['kind']!r}", known=KINDS)
    for key in ("at", "until", "since"):
        moments(entry, key)
    for key in ("where", "why"):
        text(entry, key)
    whole_number(entry, "count", least=1)
    return entry
