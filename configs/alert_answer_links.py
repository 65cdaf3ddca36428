"""Token of `/l/answer/`, by which the reader of a slot alert says what became of its slots."""

from uuid import UUID

from configs.settings import settings
from configs.signing import LinkRefused, sign, unsign

_SCOPE = "answer-alert"


def write_alert_answer_token(notification_id: UUID) -> str:
    """Return the token that answers a message: the id of one of its notifications, signed.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    return sign(_SCOPE, str(notification_id))


def read_alert_answer_token(token: str) -> UUID:
    """Return the notification of a token; it is good for LINK_SECONDS.

    Raises:
        configs.signing.LinkRefused: it is expired or forged.
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    payload = unsign(_SCOPE, token, settings().link_seconds)
    try:
        return UUID(payload)
    except (ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None
