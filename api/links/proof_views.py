"""The page that proved a detection, behind its link, with its picture and its source; all read only."""

from flask import Response, render_template, url_for

from api.errors import ApiError
from api.links.blueprint import blueprint
from api.middleware.problems import build_response
from api.models.base import session
from api.proofs.queries import find_proof
from configs.ground.object_store import StoreAway, proof_blobs
from configs.ground.proofs import NoProof, body_of, has_picture, meta_of, picture_of
from configs.world.desk import zone_of
from configs.world.prefecture import prefectures


@blueprint.errorhandler(NoProof)
def missing(error: NoProof) -> tuple[str, int]:
    """Answer with the reason why there is no proof."""
    return render_template("no_proof.html", reason=error.reason), 404


@blueprint.errorhandler(StoreAway)
def away(_: StoreAway) -> Response:
    """Answer that the store does not respond."""
    return build_response(
        ApiError(
            503,
            "unavailable",
            "the store of proofs does not answer: try again",
            headers={"Retry-After": "60"},
        )
    )


def show_proof(token: str) -> str:
    """Show the proof's facts, with links to picture and source."""
    with session() as s:
        detection, key = find_proof(s, token)
    blobs = proof_blobs()
    meta = meta_of(blobs, key)
    place = prefectures().get(detection.prefecture_id)
    return render_template(
        "proof.html",
        place=place,
        meta=meta,
        seen_at=meta.seen_at.astimezone(zone_of(meta.time_zone)),
        picture=has_picture(blobs, key) and url_for("links.send_picture", token=token),
        source=None if meta.refused else url_for("links.send_source", token=token),
    )


@blueprint.get("/<token>/picture")
def send_picture(token: str) -> Response:
    """Return the picture."""
    with session() as s:
        _, key = find_proof(s, token)
    return Response(picture_of(proof_blobs(), key), mimetype="image/png")


@blueprint.get("/<token>/source")
def send_source(token: str) -> Response:
    """Return the unchanged body as a download: a foreign page must not be rendered under our origin."""
    with session() as s:
        _, key = find_proof(s, token)
    blobs = proof_blobs()
    answer = Response(body_of(blobs, meta_of(blobs, key)), mimetype="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename="preuve.txt")
    return answer
