"""Links to proofs, good for PROOF_LINK_SECONDS, and the proof that a link leads to."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.slot import Detection
from configs.ground.clock import clock
from configs.ground.proofs import NoProof, is_kept, is_key
from configs.ground.signed_links import ShowProof, read_token, write_link
from configs.world.retention import PROOFS_KEPT_FOR


def make_proof_link(detection: Detection | sa.Row[Any]) -> str | None:
    """Return a link to a detection's proof, or None if it has none or it has expired. The store is not asked."""
    key = detection.proof_key
    if not key or not is_key(key) or not is_kept(key, clock(), PROOFS_KEPT_FOR):
        return None
    return write_link(ShowProof(detection.id))


def find_proof(session: Session, token: str) -> tuple[Detection, str]:
    """Return the detection of a link and the key of its proof.

    Raises:
        configs.ground.signing.LinkRefused: the link is expired or forged.
        configs.ground.proofs.NoProof: the detection is gone, or has no proof.
    """
    detection = session.get(Detection, read_token(ShowProof, token).detection)
    if detection is None or not detection.proof_key or not is_key(detection.proof_key):
        raise NoProof("missing", "no proof was kept of this detection")
    return detection, detection.proof_key
