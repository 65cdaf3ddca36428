"""Routes of /api/admin: notifications, dead letters, queues, audit, settings, status."""

from typing import Any

from api.admin.access import audited, check_access
from api.admin.health.live_report import get_health
from api.admin.system import actions, queries
from api.admin.system.schemas import (
    AuditPage,
    AuditQuery,
    DeadLetterPage,
    DeadLetterQuery,
    NotificationLog,
    NotificationQuery,
    QueueReport,
    Replay,
    Replayed,
    SettingList,
    StatusReport,
)
from api.middleware.openapi_helpers import BODY, declare_errors, make_blueprint

blueprint = make_blueprint(
    "admin-system",
    __name__,
    "/api/admin",
    "admin system",
    "For operators: messages, queues, audit, settings, status",
    signed_in=True,
)
blueprint.before_request(check_access)


@blueprint.get("/notifications", responses={200: NotificationLog, **declare_errors(401, 403, 422)})
def search_notifications(query: NotificationQuery) -> dict[str, Any]:
    """List messages, the newest first: of one user, or of all users in the last hours."""
    with audited("notifications.list", "notification") as work:
        found = queries.list_notifications(work.session, query)
        work.note_seen(each.id for each in found.items)
        return found.as_json()


@blueprint.get("/dead-letters", responses={200: DeadLetterPage, **declare_errors(401, 403, 422)})
def list_dead_letters(query: DeadLetterQuery) -> dict[str, Any]:
    """List messages that failed for good, the latest failure first."""
    with audited("dead-letters.list", "notification") as work:
        found = queries.list_dead_letters(work.session, query)
        work.note_seen(each.id for each in found.items)
        return found.as_json()


@blueprint.post("/dead-letters/replay", responses={200: Replayed, **declare_errors(*BODY, 401, 403)})
def replay_dead_letters(body: Replay) -> dict[str, Any]:
    """Send dead letters again. What has expired, or was told by another message meanwhile, is not sent."""
    return actions.replay_dead_letters(body).as_json()


@blueprint.get("/queues", responses={200: QueueReport, **declare_errors(401, 403)})
def list_queues() -> dict[str, Any]:
    """Show the queues of jobs and of due desks."""
    with audited("queues.list", "queue"):
        return queries.read_queues().as_json()


@blueprint.get("/audit", responses={200: AuditPage, **declare_errors(401, 403, 422)})
def search_audit(query: AuditQuery) -> dict[str, Any]:
    """List what operators did and saw, the newest first."""
    with audited("audit.list", "audit") as work:
        return queries.list_audit(work.session, query).as_json()


@blueprint.get("/settings", responses={200: SettingList, **declare_errors(401, 403)})
def list_settings() -> dict[str, Any]:
    """Show the settings of the API's process, without secrets."""
    with audited("settings.view", "settings"):
        return queries.list_settings().as_json()


@blueprint.get("/status", responses={200: StatusReport, **declare_errors(401, 403)})
def show_status() -> dict[str, Any]:
    """Show the state of everything, as `make status` does."""
    with audited("status.view", "status"):
        return queries.read_status(get_health().read_findings).as_json()
