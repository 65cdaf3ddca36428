"""Routes of /api/alerts: the alerts of the signed-in user."""

from typing import Any

from api.alerts import service
from api.alerts.appointments import close_as_found, get_appointment, move_reminders
from api.alerts.channel_tests import write_test
from api.alerts.edits import change_alert
from api.alerts.queries import read_alert, read_alert_page, read_own_alert
from api.alerts.schemas import (
    AlertAnswer,
    AlertChange,
    AlertPage,
    AlertPath,
    AlertQuery,
    FoundAppointment,
    NewAlert,
    Reminders,
    SentTest,
)
from api.alerts.targets import build_targets
from api.models.base import read_once, session
from api.web.auth import current_user_id
from api.web.openapi import BODY, declare_errors, make_blueprint

blueprint = make_blueprint(
    "alerts", __name__, "/api/alerts", "alerts", "What the user waits for", signed_in=True
)


@blueprint.get("", responses={200: AlertPage, **declare_errors(401, 422)})
def list_alerts(query: AlertQuery) -> dict[str, Any]:
    """List the user's alerts that are not over, the newest first."""
    return read_once(read_alert_page, current_user_id(), query).as_json()


@blueprint.post("", responses={201: AlertAnswer, **declare_errors(*BODY, 401, 402, 409)})
def create_alert(body: NewAlert) -> tuple[dict[str, Any], int]:
    """Wait for slots; the user is notified at once of those that are open now.

    Where nothing of it can be watched it is refused with the reason, or kept with `acceptWaiting` and needs no plan.
    """
    targets = build_targets(body)
    with session() as s:
        alert = service.create_alert(s, current_user_id(), body, targets)
        service.change_voice(s, alert, body.voice)
        return read_alert(s, alert).as_json(), 201


@blueprint.get("/<uuid:id>", responses={200: AlertAnswer, **declare_errors(401, 404)})
def show_alert(path: AlertPath) -> dict[str, Any]:
    """Show one alert, also one that is over."""
    return read_once(read_own_alert, current_user_id(), path.id).as_json()


@blueprint.patch("/<uuid:id>", responses={200: AlertAnswer, **declare_errors(*BODY, 401, 402, 404, 409)})
def edit_alert(path: AlertPath, body: AlertChange) -> dict[str, Any]:
    """Change what an alert waits for, its name or its language; slots that are open now are announced at once."""
    with session() as s:
        return read_alert(s, change_alert(s, current_user_id(), path.id, body)).as_json()


@blueprint.delete("/<uuid:id>", responses={204: None, **declare_errors(401, 404)})
def delete_alert(path: AlertPath) -> tuple[str, int]:
    """End an alert for good."""
    with session() as s:
        service.delete_alert(s, current_user_id(), path.id)
    return "", 204


@blueprint.patch("/<uuid:id>/toggle", responses={200: AlertAnswer, **declare_errors(401, 402, 404, 409)})
def toggle_alert(path: AlertPath) -> dict[str, Any]:
    """Pause an alert that waits, or resume a paused one: the user is then notified of the slots open now."""
    with session() as s:
        return read_alert(s, service.toggle_alert(s, current_user_id(), path.id)).as_json()


@blueprint.post("/<uuid:id>/test", responses={202: SentTest, **declare_errors(401, 404, 409)})
def test_alert(path: AlertPath) -> tuple[dict[str, Any], int]:
    """Send a message marked as a test on each linked channel, 3 times an hour at most."""
    with session() as s:
        written = write_test(s, current_user_id(), path.id)
    return SentTest(channels=written.channels, sms_from=written.sms_from).as_json(), 202


@blueprint.post("/<uuid:id>/found", responses={200: AlertAnswer, **declare_errors(*BODY, 401, 404, 409)})
def report_found(path: AlertPath, body: FoundAppointment) -> dict[str, Any]:
    """Close an alert whose user has found an appointment; nothing more is sent for it but its reminders."""
    with session() as s:
        return read_alert(s, close_as_found(s, current_user_id(), path.id, body)).as_json()


@blueprint.put("/<uuid:id>/reminders", responses={200: AlertAnswer, **declare_errors(*BODY, 401, 404)})
def change_reminders(path: AlertPath, body: Reminders) -> dict[str, Any]:
    """Move the reminders of an appointment, or switch them off; one whose time is over is off."""
    with session() as s:
        move_reminders(get_appointment(s, current_user_id(), path.id), body.first, body.last)
        s.flush()
        return read_own_alert(s, current_user_id(), path.id).as_json()
