"""Routes of /api/alerts: the alerts of the signed-in user, and the answers to them."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from api.alerts import service
from api.alerts.answers import find_matches_of_alert, store_answers
from api.alerts.appointments import choose_channels, close_as_found, get_appointment, move_reminders
from api.alerts.channel_tests import write_test
from api.alerts.queries import read_alert, read_alert_page, read_own_alert
from api.alerts.schemas import (
    AlertAnswer,
    AlertChange,
    AlertPage,
    AlertQuery,
    FoundAppointment,
    NewAlert,
    Reminders,
    SentTest,
)
from api.alerts.service import change_alert
from api.ground.errors import not_found
from api.ground.schemas import Answer, Body, IdPath
from api.models.answer import AnswerValue, AnswerVia
from api.models.base import read_once, session, write_once
from api.web.auth import current_user_id
from api.web.openapi import BODY, declare_errors, make_blueprint

_ONLY_OF_FOUND: JsonDict = {
    "anyOf": [
        {"properties": {"value": {"const": AnswerValue.FOUND.value}}},
        {"properties": {"appointment": {"type": "null"}}},
    ]
}


class NewAnswer(Body):
    """What became of the slots that an alert announced; of the newest announcement, unless `detectionId` names one.

    `found` closes the alert, `stopped` stops it. `appointment` goes with `found` only.
    """

    model_config = ConfigDict(json_schema_extra=_ONLY_OF_FOUND)

    value: AnswerValue
    detection_id: UUID | None = None
    appointment: FoundAppointment | None = None

    @model_validator(mode="after")
    def _only_of_found(self) -> Self:
        if self.appointment and self.value is not AnswerValue.FOUND:
            raise PydanticCustomError("not_found", "an appointment goes with the value found only")
        return self


class GivenAnswer(Answer):
    """The answer that is stored, and the alert after it. Another value is accepted until `changeableUntil`."""

    value: AnswerValue
    answered_at: datetime
    changeable_until: datetime
    alert: AlertAnswer


blueprint = make_blueprint(
    "alerts", __name__, "/api/alerts", "alerts", "What the user waits for", signed_in=True
)


@blueprint.get("", responses={200: AlertPage, **declare_errors(401, 422)})
def list_alerts(query: AlertQuery) -> dict[str, Any]:
    """List the user's alerts that are not over, the newest first."""
    return read_once(read_alert_page, current_user_id(), query).as_json()


@blueprint.post("", responses={201: AlertAnswer, **declare_errors(*BODY, 401, 402, 409)})
def create_alert(body: NewAlert) -> tuple[dict[str, Any], int]:
    """Wait for slots; the user is notified at once of those that are open now. Sent again within 10 min it makes one.

    Where nothing of it can be watched it is refused with the reason, or kept with `acceptWaiting` and needs no plan.
    """
    with session() as s:
        return read_alert(s, service.take_wish(s, current_user_id(), body)).as_json(), 201


@blueprint.get("/<uuid:id>", responses={200: AlertAnswer, **declare_errors(401, 404)})
def show_alert(path: IdPath) -> dict[str, Any]:
    """Show one alert, also one that is over."""
    return read_once(read_own_alert, current_user_id(), path.id).as_json()


@blueprint.patch("/<uuid:id>", responses={200: AlertAnswer, **declare_errors(*BODY, 401, 402, 404, 409)})
def edit_alert(path: IdPath, body: AlertChange) -> dict[str, Any]:
    """Change what an alert waits for, its name or its language; slots that are open now are announced at once."""
    with session() as s:
        return read_alert(s, change_alert(s, current_user_id(), path.id, body)).as_json()


@blueprint.delete("/<uuid:id>", responses={204: None, **declare_errors(401, 404)})
def delete_alert(path: IdPath) -> tuple[str, int]:
    """End an alert for good."""
    write_once(service.delete_alert, current_user_id(), path.id)
    return "", 204


@blueprint.patch("/<uuid:id>/toggle", responses={200: AlertAnswer, **declare_errors(401, 402, 404, 409)})
def toggle_alert(path: IdPath) -> dict[str, Any]:
    """Pause an alert that waits, or resume a paused one: the user is then notified of the slots open now."""
    with session() as s:
        return read_alert(s, service.switch_alert(s, current_user_id(), path.id)).as_json()


@blueprint.post("/<uuid:id>/test", responses={202: SentTest, **declare_errors(401, 404, 409)})
def test_alert(path: IdPath) -> tuple[dict[str, Any], int]:
    """Send a message marked as a test on each linked channel, 3 times an hour at most."""
    return write_once(write_test, current_user_id(), path.id).as_json(), 202


@blueprint.post("/<uuid:id>/found", responses={200: AlertAnswer, **declare_errors(*BODY, 401, 404, 409)})
def report_found(path: IdPath, body: FoundAppointment) -> dict[str, Any]:
    """Close an alert whose user has found an appointment; nothing more is sent for it but its reminders."""
    with session() as s:
        return read_alert(s, close_as_found(s, current_user_id(), path.id, body)).as_json()


@blueprint.put("/<uuid:id>/reminders", responses={200: AlertAnswer, **declare_errors(*BODY, 401, 404)})
def change_reminders(path: IdPath, body: Reminders) -> dict[str, Any]:
    """Move the reminders of an appointment, or switch them off; one whose time is over is off."""
    with session() as s:
        found = get_appointment(s, current_user_id(), path.id)
        move_reminders(found, body.first, body.last)
        choose_channels(found, body.first_by, body.last_by)
        s.flush()
        return read_own_alert(s, current_user_id(), path.id).as_json()


@blueprint.post("/<uuid:id>/answers", responses={200: GivenAnswer, **declare_errors(*BODY, 401, 404, 409)})
def answer_alert(path: IdPath, body: NewAnswer) -> dict[str, Any]:
    """Say what became of the slots that an alert announced; once, and changeable for an hour."""
    user_id = current_user_id()
    with session() as s:
        read_own_alert(s, user_id, path.id)
        matches = find_matches_of_alert(s, path.id, body.detection_id)
        if not matches:
            raise not_found("announcement of this alert")
        stored = store_answers(s, user_id, matches, body.value, AnswerVia.API, found=body.appointment)
        s.flush()
        answer = GivenAnswer(
            value=stored.value,
            answered_at=stored.answered_at,
            changeable_until=stored.changeable_until,
            alert=read_own_alert(s, user_id, path.id),
        )
        return answer.as_json()
