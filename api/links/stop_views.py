"""Links of slot alerts: they stop alerts and groups of messages, start them again, and show what proved a detection."""

from dataclasses import dataclass, field
from http import HTTPStatus
from uuid import UUID

from flask import Response, render_template, request, url_for
from sqlalchemy.orm import Session

from api.accounts.consents import withdraw_news_consent
from api.alerts.service import has_waiting, may_reopen, reopen_alert, stop_alerts
from api.alerts.targets import get_prefecture_id
from api.ground.errors import ApiError
from api.links.blueprint import blueprint
from api.models.alert import Alert
from api.models.base import read_once, session
from api.models.user import Contact, User
from api.prefectures.detections import find_proof
from api.web.languages import use_account_language
from api.web.problems import build_response
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.ground.object_store import StoreAway, proof_blobs
from configs.ground.proofs import PICTURE, NoProof, body_of, meta_of, picture_of
from configs.ground.signing import StopAlerts, read_unsubscription
from configs.world.desk import zone_of
from configs.world.prefecture import Prefecture, prefectures


@dataclass(slots=True)
class UnsubscribeSubject:
    """The alerts, or the group of messages to a contact, that a token is about, as far as they still exist."""

    group: MessageGroup
    alerts: list[Alert] = field(default_factory=list)
    is_of_one_alert: bool = False
    contact: Contact | None = None

    @property
    def user_id(self) -> UUID | None:
        """The owner; None where nothing exists any more."""
        if self.contact:
            return self.contact.user_id
        return self.alerts[0].user_id if self.alerts else None

    @property
    def is_stopped(self) -> bool:
        """Whether nothing of it is left to stop."""
        if self.contact:
            asked = {
                MessageGroup.NEWS: self.contact.wants_news,
                MessageGroup.SUMMARY: self.contact.wants_summary,
            }
            return not asked.get(self.group, True) or self.group in self.contact.stopped_groups
        return all(alert.closed_at is not None for alert in self.alerts)

    @property
    def may_start_again(self) -> bool:
        """Whether the link can undo it: an alert for a day, a group as long as the link is good; never news."""
        if self.contact:
            return self.group is not MessageGroup.NEWS and self.is_stopped
        return any(may_reopen(alert) for alert in self.alerts)

    @property
    def places(self) -> list[Prefecture]:
        """The prefectures of the alerts. No procedure: it could reveal a person's immigration status."""
        ids = dict.fromkeys(get_prefecture_id(alert.targets) for alert in self.alerts)
        return [place for each in ids if (place := prefectures().get(each))]


def find_subject(session: Session, token: str) -> UnsubscribeSubject:
    """Return what a token is about.

    Raises:
        configs.ground.signing.LinkRefused: it is expired or forged.
    """
    wish = read_unsubscription(token)
    if isinstance(wish, StopAlerts):
        found = (session.get(Alert, each) for each in wish.alerts)
        return UnsubscribeSubject(
            MessageGroup.SLOTS, [alert for alert in found if alert], is_of_one_alert=len(wish.alerts) == 1
        )
    contact = session.get(Contact, wish.contact, with_for_update={"key_share": True})
    is_same = contact is not None and digest(contact.address) == wish.address
    return UnsubscribeSubject(wish.group, contact=contact if is_same else None)


def stop_subject(session: Session, subject: UnsubscribeSubject) -> None:
    """Stop it; a repetition changes nothing."""
    if subject.alerts:
        owner = subject.alerts[0].user_id
        stop_alerts(session, owner, [each.id for each in subject.alerts if each.user_id == owner])
    elif subject.contact and subject.group is MessageGroup.NEWS:
        withdraw_news_consent(subject.contact, "link")
    elif subject.contact and subject.group is MessageGroup.SUMMARY:
        subject.contact.summary_since = None
    elif subject.contact and subject.group not in subject.contact.stopped_groups:
        subject.contact.stopped_groups = [*subject.contact.stopped_groups, subject.group.value]


def restart_subject(session: Session, subject: UnsubscribeSubject) -> None:
    """Undo it where that may be.

    Raises:
        ApiError: 402 or 409 where the plan carries no more alerts.
    """
    if subject.contact and subject.group is MessageGroup.SUMMARY:
        subject.contact.summary_since = subject.contact.summary_since or clock()
    elif subject.contact:
        kept = [each for each in subject.contact.stopped_groups if each != subject.group]
        subject.contact.stopped_groups = kept
    for alert in subject.alerts:
        reopen_alert(session, alert)


def find_owner(session: Session, subject: UnsubscribeSubject) -> User | None:
    """Return the user whom it is about."""
    return session.get(User, subject.user_id) if subject.user_id else None


def ask_to_stop(token: str) -> str:
    """Show what would stop, or start again."""
    with session() as s:
        return _render_page(s, find_subject(s, token))


def stop(token: str) -> tuple[str, int]:
    """Stop what a mail is about, or undo that; a repetition changes nothing.

    Mail programs post here without a page (RFC 8058).
    """
    if request.form.get("undo") == "true":
        return _restart(token)
    with session() as s:
        subject = find_subject(s, token)
        stop_subject(s, subject)
        return _render_page(s, subject), HTTPStatus.OK


def _restart(token: str) -> tuple[str, int]:
    try:
        with session() as s:
            subject = find_subject(s, token)
            restart_subject(s, subject)
            return _render_page(s, subject, restarted=True), HTTPStatus.OK
    except ApiError as error:
        with session() as s:
            return _render_page(s, find_subject(s, token), refused=True), error.status


def _render_page(
    s: Session, subject: UnsubscribeSubject, *, restarted: bool = False, refused: bool = False
) -> str:
    """Return the page of one alert, or that of several and of groups, which tells also of what was undone."""
    user = find_owner(s, subject)
    if user:
        use_account_language(user.language)
    if user is None:
        state = "gone"
    elif subject.is_stopped:
        state = "stopped"
    else:
        state = "restarted" if restarted else "open"
    return render_template(
        "stop.html" if subject.is_of_one_alert and not (restarted or refused) else "unsubscribe.html",
        state=state,
        group=subject.group,
        places=subject.places,
        may_restart=subject.may_start_again,
        has_others=user is not None and has_waiting(s, user.id, [each.id for each in subject.alerts]),
        refused=refused,
    )


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
    detection, key = read_once(find_proof, token)
    blobs = proof_blobs()
    meta = meta_of(blobs, key)
    place = prefectures().get(detection.prefecture_id)
    return render_template(
        "proof.html",
        place=place,
        meta=meta,
        seen_at=meta.seen_at.astimezone(zone_of(meta.time_zone)),
        picture=PICTURE in blobs.names(key) and url_for("links.send_picture", token=token),
        source=None if meta.refused else url_for("links.send_source", token=token),
    )


@blueprint.get("/<token>/picture")
def send_picture(token: str) -> Response:
    """Return the picture."""
    _, key = read_once(find_proof, token)
    return Response(picture_of(proof_blobs(), key), mimetype="image/png")


@blueprint.get("/<token>/source")
def send_source(token: str) -> Response:
    """Return the unchanged body as a download: a foreign page must not be rendered under our origin."""
    _, key = read_once(find_proof, token)
    blobs = proof_blobs()
    answer = Response(body_of(blobs, meta_of(blobs, key)), mimetype="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename="preuve.txt")
    return answer
