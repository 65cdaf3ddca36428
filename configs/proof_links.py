"""Links of `/l/proof/` to the page that proved a detection, good for PROOF_LINK_SECONDS."""

from uuid import UUID

from configs.settings import settings
from configs.signing import LinkRefused, sign, unsign

_SCOPE = "proof"


def write_proof_link(detection_id: UUID) -> str:
    """Return a link to a detection's proof. Whether there is one is not looked up.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    return f"{settings().api_url}/l/proof/{sign(_SCOPE, {'detection': str(detection_id)})}"


def read_proof_token(token: str) -> UUID:
    """Return the detection of a link's token.

    Raises:
        configs.signing.LinkRefused: it is expired or forged.
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    payload = unsign(_SCOPE, token, settings().proof_link_seconds)
    try:
        return UUID(payload["detection"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None
