"""Links to proofs: whoever may see a detection gets one, and it is good for PROOF_LINK_SECONDS."""

from uuid import UUID

from api.models.slot import Detection
from configs.clock import clock
from configs.proofs import is_kept, is_key
from configs.settings import settings
from configs.signing import LinkRefused, sign, unsign

_SCOPE = "proof"


def proof_link(detection: Detection) -> str | None:
    """Return a link to a detection's proof; None where none was kept, or not any more. The store is not asked."""
    key = detection.proof_key
    if not key or not is_key(key) or not is_kept(key, clock(), settings().proofs_kept_for):
        return None
    return f"{settings().api_url}/l/proof/{sign(_SCOPE, {'detection': str(detection.id)})}"


def proven_by(token: str) -> UUID:
    """Return the detection that a link is about.

    Raises:
        configs.signing.LinkRefused: it is too old, or none of ours.
    """
    payload = unsign(_SCOPE, token, settings().proof_link_seconds)
    try:
        return UUID(payload["detection"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None
