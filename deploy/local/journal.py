"""Changes of the watching, posted to the sandbox's inbox page, which knows only the stand-ins."""

import json
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from deploy.local.live_feed_events import HostRest, OutageBegan, OutageEnded, SlotsGone, WatchEvent, WatchStop

_WAIT = 1.0  # seconds; the feed goes on
_KEPT = 40  # as many as the page shows


def entry_of(event: WatchEvent) -> dict[str, Any]:
    """Return an event as the page takes it (deploy/sandbox/journal.py)."""
    at = {"at": event.at.isoformat()}
    match event:
        case HostRest(_, host, until, reason):
            return at | {"kind": "rest", "where": host, "until": until.isoformat(), "why": reason}
        case WatchStop(_, host, reason):
            return at | {"kind": "stop", "where": host, "why": reason}
        case OutageBegan(_, desk, reason):
            return at | {"kind": "outage", "where": desk, "why": reason}
        case OutageEnded(_, desk, reason, began):
            return at | {"kind": "watched", "where": desk, "why": reason, "since": began.isoformat()}
        case SlotsGone(_, desk, reason, number, opened):
            gone = {"kind": "gone", "where": desk, "why": reason.value, "count": number}
            return at | gone | {"since": opened.isoformat()}


@dataclass
class ProgramLog:
    """Posts events to the page at `url`; what it does not take now is posted with the next ones."""

    url: str
    _waiting: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def post_events(self, events: Iterable[WatchEvent]) -> str | None:
        """Post these and what was not taken before; return what to tell a person where the page refuses them."""
        self._waiting.extend(map(entry_of, events))
        if not self._waiting:
            return None
        body = json.dumps({"entries": list(self._waiting)}).encode()
        request = urllib.request.Request(  # noqa: S310 -- our own loopback address
            f"{self.url}/api/journal", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_WAIT):  # noqa: S310 -- as above
                self._waiting.clear()
        except urllib.error.HTTPError as refused:
            self._waiting.clear()
            return f"the inbox page refuses its journal: {refused.code} {refused.read().decode()[:200]}"
        except OSError:
            pass  # the sandbox is away: its supervisor starts it again
        return None
