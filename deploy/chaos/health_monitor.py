"""Watches /api/health while a stack is injured: when it said that all is well, and what it named when not."""

import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPException

from configs.clock import clock

_EVERY, _PATIENCE = 0.5, 5.0  # seconds


@dataclass(frozen=True)
class HealthReading:
    """One answer of /api/health: its status (0: no answer), the parts that it calls down, or degraded."""

    at: datetime
    status: int
    down: frozenset[str]
    degraded: frozenset[str] = frozenset()

    def reports(self, part: str) -> bool:
        """Whether the part is degraded, or down with a status of 503 (a client may read the status alone)."""
        return part in self.degraded or (self.status == HTTPStatus.SERVICE_UNAVAILABLE and part in self.down)


class HealthMonitor:
    """Asks twice a second on a thread of its own."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/health"
        self._looks: list[HealthReading] = []
        threading.Thread(target=self._follow, name="watch", daemon=True).start()

    def is_well(self) -> bool:
        """Whether the last answer was that all is well."""
        return bool(self._looks) and self._looks[-1].status == HTTPStatus.OK

    def last(self) -> str:
        """Return the last answer in words."""
        if not self._looks:
            return "nothing was asked yet"
        look = self._looks[-1]
        return f"{look.status}, down: {', '.join(sorted(look.down)) or 'nothing'}"

    def has_reported(self, part: str, begin: datetime, end: datetime) -> bool:
        """Whether it named the part at any time between the two."""
        return any(look.reports(part) for look in self._looks if begin <= look.at <= end)

    def _follow(self) -> None:
        pause = threading.Event()
        while not pause.wait(_EVERY):
            self._looks.append(_read_health(self._url))


def _ask(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310 -- loopback
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def _read_health(url: str) -> HealthReading:
    try:
        status, body = _ask(url)
        parts = json.loads(body).get("parts", {})
    except (
        OSError,
        HTTPException,
        ValueError,
    ):  # the API may die in the middle of an answer; nginx has its own
        return HealthReading(clock(), 0, frozenset({"api"}))
    found = {name: part["status"] for name, part in parts.items()}
    down, degraded = (
        frozenset(name for name, state in found.items() if state == each) for each in ("down", "degraded")
    )
    return HealthReading(clock(), status, down, degraded)
