"""Operators' page of the status: the screen of `make status`, live."""

from flask import Response, current_app, render_template

from api.admin.access import audited
from api.admin.system.queries import read_parts
from api.pages.admin.status.shared_parts import SharedParts
from api.pages.admin.status.view_data import StatusView
from api.pages.area import Access, Area
from api.pages.live import answer_live

area = Area("admin_status", __name__)


@area.page("/admin", Access.OPERATOR)
def show_status() -> str:
    """Show the state of everything, part by part."""
    with audited("status.view", "status"):
        pass  # no connection is held while the parts are asked
    return render_template("admin_status/status.html", view=_read_status())


@area.page("/admin/en-direct", Access.OPERATOR, polled=True)
def show_live() -> Response:
    """Answer the same parts as JSON for the page that is open, whose view was audited."""
    return answer_live({"status": render_template("admin_status/_sections.html", view=_read_status())})


def _read_status() -> StatusView:
    kept: SharedParts = current_app.extensions.setdefault("admin-status", SharedParts())
    return StatusView.build(kept.read_parts(lambda: read_parts(current_app.extensions["probes"].report)))
