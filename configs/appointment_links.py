"""Tokens of the links of messages about an appointment: `/l/reminder/` and `/l/went/`."""

from typing import Any, NamedTuple
from uuid import UUID

from configs.settings import settings
from configs.signing import LinkRefused, sign, unsign

_REMINDER, _WENT = "reminder", "went"


class Answer(NamedTuple):
    """What the reader of a link would answer about an appointment."""

    appointment_id: UUID
    went_well: bool


def write_reminder_token(appointment_id: UUID) -> str:
    """Return the token that moves the reminders of an appointment.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    return sign(_REMINDER, str(appointment_id))


def read_reminder_token(token: str) -> UUID:
    """Return the appointment of a token; it is good for LINK_SECONDS.

    Raises:
        configs.signing.LinkRefused: it is expired or forged.
    """
    return _read_id(unsign(_REMINDER, token, settings().link_seconds))


def write_answer_token(answer: Answer) -> str:
    """Return the token of one of the two answers.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    return sign(_WENT, {"appointment": str(answer.appointment_id), "well": answer.went_well})


def read_answer_token(token: str) -> Answer:
    """Return what a token answers; it is good for LINK_SECONDS.

    Raises:
        configs.signing.LinkRefused: it is expired or forged.
    """
    payload = unsign(_WENT, token, settings().link_seconds)
    if not isinstance(payload, dict) or not isinstance(payload.get("well"), bool):
        raise LinkRefused("forged")
    return Answer(_read_id(payload.get("appointment")), payload["well"])


def _read_id(value: Any) -> UUID:
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None
