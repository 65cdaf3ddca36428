"""Journal of the watching, posted by the local stack and shown on the inbox page."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from aiohttp import web

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.request_body import Body, read_body

_NEEDED: Final = {"kind", "at", "where"}
_KEPT: Final = 40  # entries; the page shows the newest


class Journal:
    """The newest entries, oldest first, as they were posted."""

    def __init__(self) -> None:
        self.entries: deque[Body] = deque(maxlen=_KEPT)

    async def post(self, request: web.Request) -> web.Response:
        """Take ``{"entries": [{"kind", "at", "where", "why", "until", "since", "count"}]}``."""
        entries: Any = (await read_body(request, frozenset({"entries"}))).get("entries", ())
        if not all(isinstance(entry, dict) and entry.keys() >= _NEEDED for entry in entries):
            raise Refusal(f"each entry must be an object with {', '.join(sorted(_NEEDED))}")
        self.entries.extend(entries)
        return web.json_response({"kept": len(self.entries)})
