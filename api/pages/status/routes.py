"""Page of the service's state: the findings of GET /api/health in plain words."""

from flask import Response, make_response, render_template

from api.admin.health.live_report import read_live_report
from api.admin.health.schemas import Health
from api.cache import answer_cache
from api.pages.area import Access, Area
from api.pages.live import answer_live
from api.pages.status.view_data import StatusView

_KEPT = "public, max-age=5"
area = Area("status", __name__)


@area.page("/statut", Access.PUBLIC)
def show_status() -> Response:
    """Show each service with its state; readable without scripts."""
    response = make_response(render_template("status/status.html", view=_read_status()))
    response.headers["Cache-Control"] = _KEPT
    return response


@area.page("/statut/en-direct", Access.PUBLIC)
def show_live() -> Response:
    """Answer the same part as JSON for the page that is open."""
    response = answer_live({"state": render_template("status/state.html", view=_read_status())})
    response.headers["Cache-Control"] = _KEPT
    return response


def _read_status() -> StatusView:
    """Return what was found within the last seconds; read at once while Redis, which keeps it, is away."""
    found = answer_cache().get("status", lambda: read_live_report().as_bytes())
    return StatusView.build(Health.model_validate_json(found.body), found.built_at)
