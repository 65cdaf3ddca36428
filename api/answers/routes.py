"""Route of the answers to an alert, below /api/alerts, and their bodies."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from api.alerts.queries import read_own_alert
from api.alerts.schemas import AlertAnswer, AlertPath, FoundAppointment
from api.answers.matches import find_matches_of_alert
from api.answers.service import AnswerFinal, store_answers
from api.ground.errors import ApiError, not_found
from api.ground.schemas import Answer, Body
from api.models.answer import AnswerValue, AnswerVia
from api.models.base import session
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
    "answers", __name__, "/api/alerts", "alerts", "What the user waits for", signed_in=True
)


@blueprint.post("/<uuid:id>/answers", responses={200: GivenAnswer, **declare_errors(*BODY, 401, 404, 409)})
def answer_alert(path: AlertPath, body: NewAnswer) -> dict[str, Any]:
    """Say what became of the slots that an alert announced; once, and changeable for an hour."""
    user_id = current_user_id()
    with session() as s:
        read_own_alert(s, user_id, path.id)
        matches = find_matches_of_alert(s, path.id, body.detection_id)
        if not matches:
            raise not_found("announcement of this alert")
        try:
            stored = store_answers(s, user_id, matches, body.value, AnswerVia.API, found=body.appointment)
        except AnswerFinal as error:
            raise ApiError(409, "answer-final", str(error)) from None
        s.flush()
        answer = GivenAnswer(
            value=stored.value,
            answered_at=stored.answered_at,
            changeable_until=stored.changeable_until,
            alert=read_own_alert(s, user_id, path.id),
        )
        return answer.as_json()
