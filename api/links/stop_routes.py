"""Routes of the links that stop alerts and groups of messages, and start them again."""

from http import HTTPStatus
from uuid import UUID

from flask import render_template, request
from sqlalchemy.orm import Session

import notifier
from api.alerts.service import may_reopen
from api.alerts.stopping import has_waiting, stop_alerts
from api.alerts.targets import get_prefecture_id
from api.errors import ApiError
from api.links.blueprint import blueprint, use_language_of
from api.links.unsubscribing import (
    UnsubscribeSubject,
    find_owner,
    find_subject,
    restart_subject,
    stop_subject,
)
from api.middleware.languages import use_account_language
from api.models.alert import Alert
from api.models.base import session
from configs.ground.signed_links import StopAlerts, read_token
from configs.world.prefecture import prefectures


@blueprint.get("/stop/<token>")
def ask_stop(token: str) -> str:
    """Show the alert that would stop."""
    with session() as s:
        alert = s.get(Alert, _read_alert_id(token))
        use_language_of(s, alert)
        return _render_stop_page(s, alert, token, done=alert is None or alert.closed_at is not None)


@blueprint.post("/stop/<token>")
def stop(token: str) -> str:
    """Stop the alert; a repetition changes nothing. Mail programs post here too (RFC 8058)."""
    with session() as s:
        alert = s.get(Alert, _read_alert_id(token))
        messages = stop_alerts(s, alert.user_id, [alert.id]) if alert else []
        use_language_of(s, alert)
        page = _render_stop_page(s, alert, token, done=True)
    notifier.nudge(messages)
    return page


@blueprint.get("/unsubscribe/<token>")
def ask_unsubscribe(token: str) -> str:
    """Show what would stop, or start again."""
    with session() as s:
        return _render_unsubscribe_page(s, find_subject(s, token))


@blueprint.post("/unsubscribe/<token>")
def unsubscribe(token: str) -> tuple[str, int]:
    """Stop what a mail is about, or undo that. Mail programs post here without a page (RFC 8058)."""
    if request.form.get("undo") == "true":
        return _restart(token)
    with session() as s:
        subject = find_subject(s, token)
        messages = stop_subject(s, subject)
        page = _render_unsubscribe_page(s, subject)
    notifier.nudge(messages)
    return page, HTTPStatus.OK


def _restart(token: str) -> tuple[str, int]:
    try:
        with session() as s:
            subject = find_subject(s, token)
            alerts = restart_subject(s, subject)
            page = _render_unsubscribe_page(s, subject, restarted=True)
    except ApiError as error:
        with session() as s:
            return _render_unsubscribe_page(s, find_subject(s, token), refused=True), error.status
    for alert_id in alerts:
        notifier.catch_up(alert_id)
    return page, HTTPStatus.OK


def _render_unsubscribe_page(
    s: Session, subject: UnsubscribeSubject, *, restarted: bool = False, refused: bool = False
) -> str:
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
        "unsubscribe.html",
        state=state,
        group=subject.group,
        places=subject.places,
        may_restart=subject.may_start_again,
        is_only_one=user is not None and not has_waiting(s, user.id, [each.id for each in subject.alerts]),
        refused=refused,
    )


def _read_alert_id(token: str) -> UUID:
    return read_token(StopAlerts, token).alerts[0]


def _render_stop_page(s: Session, alert: Alert | None, token: str, *, done: bool) -> str:
    # No procedure is shown: it could reveal a person's immigration status to a bystander.
    place = prefectures().get(get_prefecture_id(alert.targets)) if alert else None
    may_restart = alert is not None and may_reopen(alert)
    has_others = alert is not None and has_waiting(s, alert.user_id, [alert.id])
    return render_template(
        "stop.html", place=place, done=done, token=token, may_restart=may_restart, has_others=has_others
    )
