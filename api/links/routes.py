"""Routes of /l: pages behind the links in messages. GET changes nothing, because mail scanners open every link."""

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template
from sqlalchemy.orm import Session

import notifier
from api.alerts.service import close_alert, wake_alerts
from api.alerts.targets import get_prefecture_id
from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from api.models.user import Contact
from configs.clock import clock
from configs.contact_addresses import digest
from configs.prefecture import prefectures
from configs.settings import settings
from configs.signing import LinkRefused, unsign

STOP = "stop-alert"
VERIFY = "verify-email"

blueprint = Blueprint("links", __name__, url_prefix="/l")


@blueprint.app_errorhandler(LinkRefused)
def refused(error: LinkRefused) -> tuple[str, int]:
    """Answer an expired link (410) or a forged one (400)."""
    status = 410 if error.reason == "expired" else 400
    return render_template("refused.html", reason=error.reason, status=status), status


@blueprint.get("/stop/<token>")
def ask_stop(token: str) -> str:
    """Show the alert that would stop."""
    with session() as s:
        alert = s.get(Alert, _read_alert_id(token))
        return _render_stop_page(alert, done=alert is None or alert.closed_at is not None)


@blueprint.post("/stop/<token>")
def stop(token: str) -> str:
    """Stop the alert; a repetition changes nothing. Mail programs post here too (RFC 8058)."""
    with session() as s:
        alert = s.get(Alert, _read_alert_id(token), with_for_update=True)
        if alert:
            close_alert(s, alert, ClosedBecause.STOPPED)
        return _render_stop_page(alert, done=True)


@blueprint.get("/verify/<token>")
def ask_verify(token: str) -> str:
    """Show the address that would be confirmed."""
    with session() as s:
        contact = _find_contact(s, token)
        return _render_verify_page(contact, done=bool(contact and contact.verified_at))


@blueprint.post("/verify/<token>")
def verify(token: str) -> str:
    """Confirm the address, and catch up on slots that are open now."""
    alerts: list[UUID] = []
    with session() as s:
        contact = _find_contact(s, token, lock=True)
        if contact and contact.verified_at is None:
            contact.verified_at = clock()
            alerts = wake_alerts(s, contact.user_id, "address confirmed")
        page = _render_verify_page(contact, done=True)
    for alert_id in alerts:
        notifier.catch_up(alert_id)
    return page


def _read_alert_id(token: str) -> UUID:
    payload = unsign(STOP, token, settings().link_seconds)
    return _read_uuid(payload if isinstance(payload, dict) else {"alert": payload}, "alert")


def _find_contact(s: Session, token: str, *, lock: bool = False) -> Contact | None:
    """Return the contact of a token if its address is still the one that the token was sent to."""
    payload = unsign(VERIFY, token, settings().link_seconds)
    contact = s.get(Contact, _read_uuid(payload, "contact"), with_for_update=lock)
    return contact if contact and digest(contact.address) == payload.get("address") else None


def _read_uuid(payload: Any, key: str) -> UUID:
    """Return an id that a token carries.

    Raises:
        LinkRefused: the token carries no such id.
    """
    try:
        return UUID(payload[key])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None


def _render_stop_page(alert: Alert | None, *, done: bool) -> str:
    # No procedure is shown: it could reveal a person's immigration status to a bystander.
    place = prefectures().get(get_prefecture_id(alert.targets)) if alert else None
    return render_template("stop.html", place=place, done=done)


def _render_verify_page(contact: Contact | None, *, done: bool) -> str:
    return render_template("verify.html", address=contact.address if contact else None, done=done)
