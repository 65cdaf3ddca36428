"""Operators' page of the status: the screen of `make status`, live."""

import time
from threading import Lock

from flask import Response, current_app, render_template

from api.admin.access import audited
from api.admin.health.live_report import get_health
from api.admin.health.status_report import Parts, read_parts
from api.pages.admin.area import area
from api.pages.admin.status_view import StatusView
from api.pages.area import Access
from api.pages.live import answer_live

_GOOD_FOR = 4.0  # seconds, less than the page waits before it asks again


class _SharedParts:
    """The last reading of a process, which takes most of its database connections for a moment.

    One request reads; those that come meanwhile wait for what it found.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._parts: Parts = {}
        self._read_at = 0.0  # monotonic

    def read_parts(self) -> Parts:
        with self._lock:
            if not self._parts or time.monotonic() - self._read_at > _GOOD_FOR:
                self._parts = read_parts(get_health().read_findings)
                self._read_at = time.monotonic()
            return self._parts


@area.page("/admin", Access.OPERATOR)
def show_status() -> str:
    """Show the state of everything, part by part."""
    with audited("status.view", "status"):
        pass  # no connection is held while the parts are asked
    return render_template("admin/status.html", view=_read_status())


@area.page("/admin/en-direct", Access.OPERATOR, polled=True)
def show_live() -> Response:
    """Answer the same parts as JSON for the page that is open, whose view was audited."""
    return answer_live({"status": render_template("admin/_status.html", view=_read_status())})


def _read_status() -> StatusView:
    kept: _SharedParts = current_app.extensions.setdefault("admin-status", _SharedParts())
    return StatusView.build(kept.read_parts())
