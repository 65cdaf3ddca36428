"""Tokens of `/l/incident/`, by which an operator acknowledges an alarm from its message."""

from typing import NamedTuple
from uuid import UUID

from configs.settings import settings
from configs.signing import LinkRefused, sign, unsign

_ACKNOWLEDGE = "acknowledge-incident"
_LARGEST_ID = 2**63 - 1


class AlarmLink(NamedTuple):
    """The incident that a link acknowledges, and the operator whom it was sent to."""

    incident_id: int
    user_id: UUID


def write_incident_token(incident_id: int, user_id: UUID) -> str:
    """Return the token with which this operator acknowledges an incident.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    return sign(_ACKNOWLEDGE, {"incident": incident_id, "user": str(user_id)})


def read_incident_token(token: str) -> AlarmLink:
    """Return what a token acknowledges; it is good for LINK_SECONDS.

    Raises:
        configs.signing.LinkRefused: it is expired or forged.
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    payload = unsign(_ACKNOWLEDGE, token, settings().link_seconds)
    try:
        found = AlarmLink(payload["incident"], UUID(payload["user"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None
    if type(found.incident_id) is not int or not 0 < found.incident_id <= _LARGEST_ID:
        raise LinkRefused("forged")
    return found
