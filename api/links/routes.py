"""Routes of /l: pages behind the links in messages. GET changes nothing, because mail scanners open every link."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint, g, render_template, request
from sqlalchemy.orm import Session

import notifier
from api.alerts.how_it_went import store_answer
from api.alerts.reminders import Step, move_reminders
from api.alerts.service import may_reopen
from api.alerts.stopping import has_waiting, stop_alerts
from api.alerts.targets import get_prefecture_id
from api.answers.errors import AnswerFinal, UnknownMatch
from api.answers.service import StoredAnswer
from api.auth.service import confirm_address, read_new_password, reset_by_token
from api.auth.tokens import RESET, VERIFY, find_contact, find_unconfirmed
from api.billing import service as billing
from api.billing.closed_desk_refunds import quote_closed_desk, refund_closed_desk
from api.billing.quote_words import write_money
from api.billing.schemas import ClosedDeskRefund
from api.errors import ApiError
from api.links.acknowledging import LinkedAlarm, acknowledge_alarm, find_alarm
from api.links.answering import (
    CLOSING,
    AnswerForm,
    AnswerFormRefused,
    AnswerMistake,
    AskedMessage,
    find_asked,
    read_value,
    store_form,
)
from api.links.appointments import LinkedAppointment, find_appointment, is_over, read_choice
from api.links.unsubscribing import (
    UnsubscribeSubject,
    find_owner,
    find_subject,
    restart_subject,
    stop_subject,
)
from api.middleware.languages import read_language, use_account_language
from api.middleware.rate_limits import remember_address
from api.models.alert import Alert
from api.models.base import session
from api.models.user import Contact, User
from api.operations.alarms import list_unanswered
from api.operations.words import name_incident
from api.payments.refunds import ask_for_refund
from configs.alert_answer_links import read_alert_answer_token
from configs.appointment_links import read_answer_token, read_reminder_token
from configs.clock import clock
from configs.prefecture import prefectures
from configs.settings import settings
from configs.signing import LinkRefused, unsign
from configs.unsubscribe_links import STOP_ALERT

PORTAL, CLOSED_DESK = "portal", "closed-desk"

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
        _use_language_of(s, alert)
        return _render_stop_page(s, alert, token, done=alert is None or alert.closed_at is not None)


@blueprint.post("/stop/<token>")
def stop(token: str) -> str:
    """Stop the alert; a repetition changes nothing. Mail programs post here too (RFC 8058)."""
    with session() as s:
        alert = s.get(Alert, _read_alert_id(token))
        messages = stop_alerts(s, alert.user_id, [alert.id]) if alert else []
        _use_language_of(s, alert)
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


@blueprint.get("/verify/<token>")
def ask_verify(token: str) -> str:
    """Show the address that would be confirmed."""
    with session() as s:
        contact, claims = find_contact(s, VERIFY, token, settings().link_seconds)
        _use_language_of(s, contact)
        unconfirmed = find_unconfirmed(contact, claims) if contact else None
        address = unconfirmed or (contact.address if contact else None)
        return _render_verify_page(address, done=unconfirmed is None)


@blueprint.post("/verify/<token>")
def verify(token: str) -> str:
    """Confirm the address, and catch up on slots that are open now."""
    with session() as s:
        change = confirm_address(s, token)
        _use_language_of(s, change.contact)
    notifier.nudge(change.mails)
    for alert_id in change.alerts:
        notifier.catch_up(alert_id)
    address = change.contact.address if change.contact else None
    return _render_verify_page(address, done=True, reset_token=change.reset_token)


@blueprint.get("/reset/<token>")
def ask_password(token: str) -> str:
    """Show the form to choose a new password."""
    with session() as s:
        contact, _ = find_contact(s, RESET, token, settings().password_reset_seconds)
        _use_language_of(s, contact)
        return render_template("reset.html", address=contact.address if contact else None)


@blueprint.post("/reset/<token>")
def choose_password(token: str) -> tuple[str, int]:
    """Set the new password, or show the form again with what is wrong with it."""
    try:
        change = reset_by_token(token, read_new_password(request.form.get("password", "")))
    except ApiError as error:
        if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return render_template("reset.html", address="", weak=True), error.status
    notifier.nudge(change.mails)
    for alert_id in change.alerts:
        notifier.catch_up(alert_id)
    if change.contact:
        remember_address(change.contact.address)
    return render_template("reset.html", address=change.contact and change.contact.address, done=True), 200


@blueprint.get("/portal/<token>")
def ask_portal(token: str) -> str:
    """Show the button that opens Stripe's portal."""
    with session() as s:
        contact, _ = find_contact(s, PORTAL, token, settings().link_seconds)
        _use_language_of(s, contact)
        return render_template("portal.html", known=contact is not None)


@blueprint.post("/portal/<token>")
def open_portal(token: str) -> tuple[str, int, dict[str, str]]:
    """Open a session of the portal and lead to it, by a header: the policy allows no form to lead elsewhere."""
    with session() as s:
        contact, _ = find_contact(s, PORTAL, token, settings().link_seconds)
        user = s.get_one(User, contact.user_id) if contact else None
        _use_language_of(s, contact)
    if user is None:
        return render_template("portal.html", known=False), HTTPStatus.OK, {}
    url = billing.open_portal(user)
    return render_template("portal.html", known=True, url=url), HTTPStatus.OK, {"Refresh": f"0; url={url}"}


@blueprint.get("/closed-desk/<token>")
def ask_refund(token: str) -> str:
    """Show what would be refunded for an alert whose desks closed, or why nothing is."""
    with session() as s:
        user_id, alert_id = _read_choice(s, token)
        try:
            refund = quote_closed_desk(s, user_id, alert_id) if user_id else None
        except ApiError:
            refund = None
    return _render_refund_page(refund, done=False)


@blueprint.post("/closed-desk/<token>")
def choose_refund(token: str) -> str:
    """End the plan and refund the rest; a repetition refunds nothing more."""
    try:
        with session() as s:
            user_id, alert_id = _read_choice(s, token)
            chosen = refund_closed_desk(s, user_id, alert_id) if user_id else None
    except ApiError:
        chosen = None
    if chosen:
        chosen.effects.run(ask_for_refund)
    return _render_refund_page(chosen.answer if chosen else None, done=chosen is not None)


@blueprint.get("/incident/<token>")
def ask_acknowledge(token: str) -> str:
    """Show the alarm that would be acknowledged."""
    with session() as s:
        return _render_incident_page(s, find_alarm(s, token))


@blueprint.post("/incident/<token>")
def acknowledge(token: str) -> str:
    """Acknowledge an alarm, so that it is not repeated."""
    with session() as s:
        alarm = find_alarm(s, token)
        if alarm:
            acknowledge_alarm(s, alarm, g.request_id)
        return _render_incident_page(s, alarm)


def _render_incident_page(s: Session, alarm: LinkedAlarm | None) -> str:
    if alarm is None:
        return render_template("incident.html", alarm=None, others=[])
    use_account_language(alarm.operator.language)
    others = [
        {"name": name_incident(each.reason), "subject": each.subject}
        for each in list_unanswered(s)
        if each.id != alarm.incident.id
    ]
    name = name_incident(alarm.incident.reason)
    return render_template("incident.html", alarm=alarm, name=name, others=others)


def _render_refund_page(refund: ClosedDeskRefund | None, *, done: bool) -> str:
    amount = write_money(refund.refund, read_language()) if refund else None
    return render_template("closed_desk.html", amount=amount, done=done)


def _read_choice(s: Session, token: str) -> tuple[UUID | None, UUID]:
    """Return the user whom a token was sent to, None where the address is no longer theirs, and the alert."""
    contact, claims = find_contact(s, CLOSED_DESK, token, settings().link_seconds)
    return contact.user_id if contact else None, _read_uuid(claims, "alert")


@blueprint.get("/reminder/<token>")
def ask_reminders(token: str) -> str:
    """Show when the reminders of an appointment come."""
    with session() as s:
        return _render_reminders(find_appointment(s, read_reminder_token(token)), done=False)


@blueprint.post("/reminder/<token>")
def set_reminders(token: str) -> str:
    """Move the reminders, or switch them off; a repetition changes nothing."""
    chosen = [read_choice(request.form.get(step, ""), step) for step in Step]
    with session() as s:
        found = find_appointment(s, read_reminder_token(token))
        if found:
            move_reminders(found.row, *chosen)
        return _render_reminders(found, done=True)


def _render_reminders(found: LinkedAppointment | None, *, done: bool) -> str:
    if found is None or is_over(found, clock()):
        return render_template("reminders.html", found=None, done=done)
    use_account_language(found.user.language)
    language = read_language()
    choices = {step.value: found.list_choices(step, language) for step in Step}
    return render_template(
        "reminders.html", found=found, moment=found.write_moment(language), choices=choices, done=done
    )


@blueprint.get("/went/<token>")
def ask_went(token: str) -> str:
    """Show the answer that would be stored."""
    with session() as s:
        answer = read_answer_token(token)
        return _render_answer(find_appointment(s, answer.appointment_id), done=False, well=answer.went_well)


@blueprint.post("/went/<token>")
def take_answer(token: str) -> str:
    """Store how an appointment went; a repetition changes nothing."""
    answer = read_answer_token(token)
    with session() as s:
        found = find_appointment(s, answer.appointment_id)
        if found:
            store_answer(found.row, went_well=answer.went_well)
        return _render_answer(found, done=True, well=answer.went_well)


def _render_answer(found: LinkedAppointment | None, *, done: bool, well: bool) -> str:
    if found:
        use_account_language(found.user.language)
    return render_template("went.html", found=found is not None, done=done, well=well)


@blueprint.get("/answer/<token>")
def ask_answer(token: str) -> str:
    """Show the answer to a slot alert that would be stored."""
    with session() as s:
        asked = find_asked(s, read_alert_answer_token(token))
        return _render_question(asked, token, AnswerForm(read_value(request.args.get("value"))))


@blueprint.post("/answer/<token>")
def answer_alert(token: str) -> tuple[str, int]:
    """Store an answer to a slot alert; a repetition changes nothing."""
    notification_id, form = read_alert_answer_token(token), _read_answer_form()
    try:
        with session() as s:
            asked = find_asked(s, notification_id)
            if asked is None:
                return _render_question(None, token, form), HTTPStatus.OK
            stored = store_form(s, asked, form)
            s.flush()
            shown = find_asked(s, notification_id) or asked
    except (AnswerFormRefused, AnswerFinal, UnknownMatch) as error:
        return _refuse_answer(notification_id, token, form, error)
    notifier.nudge(stored.messages)
    for alert_id in stored.reopened:
        notifier.catch_up(alert_id)
    return _render_stored(shown, stored), HTTPStatus.OK


def _read_answer_form() -> AnswerForm:
    value = read_value(request.form.get("value") or request.args.get("value"))
    day, hour = (request.form.get(name, "").replace("\0", "?").strip()[:20] for name in ("day", "hour"))
    return AnswerForm(value, frozenset(request.form.getlist("alert")), day, hour)


def _refuse_answer(
    notification_id: UUID, token: str, form: AnswerForm, error: AnswerFormRefused | AnswerFinal | UnknownMatch
) -> tuple[str, int]:
    """Show why nothing was stored."""
    mistake = error.mistake if isinstance(error, AnswerFormRefused) else None
    status = HTTPStatus.UNPROCESSABLE_ENTITY if mistake else HTTPStatus.CONFLICT
    with session() as s:
        return _render_question(find_asked(s, notification_id), token, form, mistake), status


def _render_question(
    asked: AskedMessage | None, token: str, form: AnswerForm, mistake: AnswerMistake | None = None
) -> str:
    if asked is None:
        return render_template("answer.html", state="gone")
    use_account_language(asked.user.language)
    return render_template(
        "answer.html",
        state="final" if asked.is_final else "open",
        asked=asked,
        token=token,
        given=asked.given and asked.given.value.value,
        value=form.value and form.value.value,
        chooses_alerts=form.value in CLOSING and len(asked.alerts) > 1,
        form=form,
        mistake=mistake,
    )


def _render_stored(asked: AskedMessage, stored: StoredAnswer) -> str:
    use_account_language(asked.user.language)
    return render_template(
        "answer.html",
        state="done",
        asked=asked,
        given=stored.value.value,
        until=asked.write_end(stored, read_language()),
    )


def _use_language_of(s: Session, owned: Contact | Alert | None) -> None:
    """Answer in the language of the account that a link belongs to."""
    user = s.get(User, owned.user_id) if owned else None
    if user:
        use_account_language(user.language)


def _read_alert_id(token: str) -> UUID:
    payload = unsign(STOP_ALERT, token, settings().link_seconds)
    return _read_uuid(payload if isinstance(payload, dict) else {"alert": payload}, "alert")


def _read_uuid(payload: Any, key: str) -> UUID:
    """Return an id that a token carries.

    Raises:
        LinkRefused: the token carries no such id.
    """
    try:
        return UUID(payload[key])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise LinkRefused("forged") from None


def _render_stop_page(s: Session, alert: Alert | None, token: str, *, done: bool) -> str:
    # No procedure is shown: it could reveal a person's immigration status to a bystander.
    place = prefectures().get(get_prefecture_id(alert.targets)) if alert else None
    may_restart = alert is not None and may_reopen(alert)
    has_others = alert is not None and has_waiting(s, alert.user_id, [alert.id])
    return render_template(
        "stop.html", place=place, done=done, token=token, may_restart=may_restart, has_others=has_others
    )


def _render_verify_page(address: str | None, *, done: bool, reset_token: str | None = None) -> str:
    return render_template("verify.html", address=address, done=done, reset_token=reset_token)
