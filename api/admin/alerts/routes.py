"""Routes of /api/admin/alerts: the alerts of all users."""

from typing import Any

import notifier
from api.admin.access import audited, check_access
from api.admin.alerts import queries, service
from api.admin.alerts.schemas import AnyAlertDetails, AnyAlertPage, AnyAlertQuery
from api.middleware.openapi_helpers import declare_errors, make_blueprint
from api.schemas import IdPath

blueprint = make_blueprint(
    "admin-alerts",
    __name__,
    "/api/admin/alerts",
    "admin alerts",
    "For operators: what all users wait for",
    signed_in=True,
)
blueprint.before_request(check_access)


@blueprint.get("", responses={200: AnyAlertPage, **declare_errors(401, 403, 422)})
def search_alerts(query: AnyAlertQuery) -> dict[str, Any]:
    """Search the alerts of all users, the newest first, closed ones included."""
    with audited("alerts.search", "alert") as work:
        found = queries.list_alerts(work.session, query)
        work.note_seen(each.id for each in found.items)
        return found.as_json()


@blueprint.get("/<uuid:id>", responses={200: AnyAlertDetails, **declare_errors(401, 403, 404)})
def show_any_alert(path: IdPath) -> dict[str, Any]:
    """Show one alert and how well it is served."""
    with audited("alert.view", "alert", path.id) as work:
        return queries.read_any_alert(work.session, queries.get_alert(work.session, path.id)).as_json()


@blueprint.post("/<uuid:id>/pause", responses={200: AnyAlertDetails, **declare_errors(401, 403, 404, 409)})
def pause_alert(path: IdPath) -> dict[str, Any]:
    """Pause an alert that waits."""
    with audited("alert.pause", "alert", path.id) as work:
        alert = service.pause_alert(work.session, path.id)
        work.changes["isActive"] = [True, False]
        return queries.read_any_alert(work.session, alert).as_json()


@blueprint.post(
    "/<uuid:id>/resume", responses={200: AnyAlertDetails, **declare_errors(401, 402, 403, 404, 409)}
)
def resume_alert(path: IdPath) -> dict[str, Any]:
    """Let a paused alert wait again, if its owner's plan allows it. Slots that are open now are announced at once."""
    with audited("alert.resume", "alert", path.id) as work:
        alert = service.resume_alert(work.session, path.id)
        work.changes["isActive"] = [False, True]
        answer = queries.read_any_alert(work.session, alert).as_json()
    notifier.catch_up(path.id)
    return answer
