"""Links of slot alerts: they show what is open and what proved it, stop alerts or groups of messages, and undo that."""

from http import HTTPStatus

from flask import Response, render_template, request, url_for

from api.alerts.notifications.unsubscriptions import (
    UnsubscribeSubject,
    find_owner,
    find_subject,
    restart_subject,
    stop_subject,
)
from api.alerts.open_slots import find_linked_slots
from api.ground.errors import ApiError
from api.models.base import read_once, session
from api.models.user import User
from api.pages.area import Access
from api.pages.links.area import area
from api.prefectures.detections import find_proof
from api.web.languages import use_account_language
from api.web.problems import build_response
from configs.ground.object_store import StoreAway, proof_blobs
from configs.ground.proofs import PICTURE, NoProof, body_of, meta_of, picture_of
from configs.ground.signing import LinkRefused, ShowSlots, read_token
from configs.world.desk import zone_of
from configs.world.prefecture import prefectures


def ask_to_stop(token: str) -> str:
    """Show what would stop, or start again."""
    with session() as s:
        subject = find_subject(s, token)
        return _render_page(subject, *find_owner(s, subject))


def stop(token: str) -> tuple[str, int]:
    """Stop what a mail is about, or undo that; a repetition changes nothing.

    Mail programs post here without a page (RFC 8058).
    """
    if request.form.get("undo") == "true":
        return _restart(token)
    with session() as s:
        subject = find_subject(s, token)
        stop_subject(s, subject)
        return _render_page(subject, *find_owner(s, subject)), HTTPStatus.OK


def _restart(token: str) -> tuple[str, int]:
    try:
        with session() as s:
            subject = find_subject(s, token)
            restart_subject(s, subject)
            return _render_page(subject, *find_owner(s, subject), restarted=True), HTTPStatus.OK
    except ApiError as error:
        with session() as s:
            subject = find_subject(s, token)
            return _render_page(subject, *find_owner(s, subject), refused=True), error.status


def _render_page(
    subject: UnsubscribeSubject,
    owner: User | None,
    has_others: bool,
    *,
    restarted: bool = False,
    refused: bool = False,
) -> str:
    """Return the page of one alert, or that of several and of groups, which tells also of what was undone."""
    if owner:
        use_account_language(owner.language)
    if owner is None:
        state = "gone"
    elif subject.is_stopped:
        state = "stopped"
    else:
        state = "restarted" if restarted else "open"
    return render_template(
        "links/stop.html"
        if subject.is_of_one_alert and not (restarted or refused)
        else "links/unsubscribe.html",
        state=state,
        group=subject.group,
        places=subject.places,
        may_restart=subject.may_start_again,
        has_others=has_others,
        refused=refused,
    )


@area.errorhandler(NoProof)
def missing(error: NoProof) -> tuple[str, int]:
    """Answer with the reason why there is no proof."""
    return render_template("links/no_proof.html", reason=error.reason), 404


@area.errorhandler(StoreAway)
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
    detection, key = read_once(find_proof, token)
    blobs = proof_blobs()
    meta = meta_of(blobs, key)
    place = prefectures().get(detection.prefecture_id)
    return render_template(
        "links/proof.html",
        place=place,
        meta=meta,
        seen_at=meta.seen_at.astimezone(zone_of(meta.time_zone)),
        picture=PICTURE in blobs.names(key) and url_for("links.send_picture", token=token),
        source=None if meta.refused else url_for("links.send_source", token=token),
    )


@area.page("/<token>/picture", Access.LINK)
def send_picture(token: str) -> Response:
    _, key = read_once(find_proof, token)
    return Response(picture_of(proof_blobs(), key), mimetype="image/png")


@area.page("/<token>/source", Access.LINK)
def send_source(token: str) -> Response:
    """Return the unchanged body as a download: a foreign page must not be rendered under our origin."""
    _, key = read_once(find_proof, token)
    blobs = proof_blobs()
    answer = Response(body_of(blobs, meta_of(blobs, key)), mimetype="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename="preuve.txt")
    return answer


def show_slots(token: str) -> str:
    """Show the open slots by day, each desk with its official page; no procedure, nothing of the reader.

    Raises:
        LinkRefused: the last of them was gone a day ago.
    """
    found = read_once(find_linked_slots, read_token(ShowSlots, token).notification)
    if found is None:
        raise LinkRefused("expired")
    use_account_language(found.language)
    return render_template("links/slots.html", found=found)
