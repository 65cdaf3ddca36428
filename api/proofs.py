"""/l/proof: the page that proved a detection, as it was seen: what it is, its picture, its source. Nothing changes."""

from flask import Blueprint, Response, make_response, render_template, url_for

from api.border import POLICY
from api.models.base import session
from api.models.slot import Detection
from api.problems import ApiError, problem_response
from api.proof_links import proven_by
from configs.desk import zone_of
from configs.object_store import StoreAway, proof_blobs
from configs.prefecture import prefectures
from configs.proofs import NoProof, body_of, has_picture, is_key, meta_of, picture_of

blueprint = Blueprint("proofs", __name__, url_prefix="/l/proof")


@blueprint.errorhandler(NoProof)
def missing(error: NoProof) -> tuple[str, int]:
    """Say why there is nothing to see."""
    return render_template("no_proof.html", reason=error.reason), 404


@blueprint.errorhandler(StoreAway)
def away(_: StoreAway) -> Response:
    """Say that the store does not answer."""
    return problem_response(
        ApiError(
            503,
            "unavailable",
            "the store of proofs does not answer: try again",
            headers={"Retry-After": "60"},
        )
    )


@blueprint.get("/<token>")
def show(token: str) -> Response:
    """Show what was seen, when and where, and lead to the rest."""
    detection, key = _proven(token)
    blobs = proof_blobs()
    meta = meta_of(blobs, key)
    place = prefectures().get(detection.prefecture_id)
    page = render_template(
        "proof.html",
        place=place,
        meta=meta,
        seen_at=meta.seen_at.astimezone(zone_of(meta.time_zone)),
        picture=has_picture(blobs, key) and url_for("proofs.picture", token=token),
        source=None if meta.refused else url_for("proofs.source", token=token),
    )
    answer = make_response(page)
    answer.headers["Content-Security-Policy"] = f"{POLICY}; img-src 'self'"
    return answer


@blueprint.get("/<token>/picture")
def picture(token: str) -> Response:
    """Return the picture."""
    _, key = _proven(token)
    return Response(picture_of(proof_blobs(), key), mimetype="image/png")


@blueprint.get("/<token>/source")
def source(token: str) -> Response:
    """Return the body byte for byte, never to be shown as a page of ours: it is a stranger's."""
    _, key = _proven(token)
    blobs = proof_blobs()
    answer = Response(body_of(blobs, meta_of(blobs, key)), mimetype="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename="preuve.txt")
    return answer


def _proven(token: str) -> tuple[Detection, str]:
    """Return the detection of a link and the key of its proof.

    Raises:
        configs.signing.LinkRefused: the link is too old, or none of ours.
        NoProof: there is no such detection any more, or none was kept.
    """
    with session() as s:
        detection = s.get(Detection, proven_by(token))
    if detection is None or not detection.proof_key or not is_key(detection.proof_key):
        raise NoProof("missing", "no proof was kept of this detection")
    return detection, detection.proof_key
