"""Bodies of answers to slot alerts."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import ConfigDict, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from api.alerts.schemas import AlertAnswer, FoundAppointment
from api.models.answer import AnswerValue
from api.schemas import Answer, Body

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
