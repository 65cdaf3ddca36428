"""Links of slot alerts by which people answer, and of the appointments that follow: reminders, and how it went."""

from http import HTTPStatus
from uuid import UUID

from flask import render_template, request

from api.alerts.answers import (
    CLOSING,
    AnswerForm,
    AskedMessage,
    StoredAnswer,
    find_asked,
    read_value,
    store_form,
)
from api.alerts.appointments import (
    USUAL_CHANNELS,
    LinkedAppointment,
    choose_channels,
    find_appointment,
    list_channels,
    move_reminders,
    store_answer,
)
from api.alerts.schemas import Reminders
from api.ground.errors import ApiError
from api.models.answer import AnswerValue
from api.models.appointment import Step
from api.models.base import read_once, session
from api.models.declaration import DeclaredBy
from api.pages.words import CHANNEL_NAMES
from api.payments.declarations.cancellations import Contract, read_end_offer, read_own_contract
from api.payments.declarations.records import Author
from api.payments.declarations.schemas import CancellationChoice
from api.payments.declarations.service import cancel_own
from api.web.languages import read_language, use_account_language
from configs.ground.clock import clock
from configs.ground.signing import AnswerAlert, MoveReminders, TellHowItWent, read_token
from configs.ground.text import choose_page_language


def ask_answer(token: str) -> str:
    """Show the answer to a slot alert that would be stored."""
    with session() as s:
        asked = find_asked(s, read_token(AnswerAlert, token).notification)
        return _render_question(asked, token, AnswerForm(read_value(request.args.get("value"))))


def answer_alert(token: str) -> tuple[str, int]:
    """Store an answer to a slot alert; a repetition changes nothing."""
    notification_id, form = read_token(AnswerAlert, token).notification, _read_answer_form()
    if "wished" in request.form:
        return _end_contract(notification_id)
    try:
        with session() as s:
            asked = find_asked(s, notification_id)
            if asked is None:
                return _render_question(None, token, form), HTTPStatus.OK
            stored = store_form(s, asked, form)
            shown = find_asked(s, notification_id) or asked
            offer = read_end_offer(s, asked.user.id) if stored.value is AnswerValue.FOUND else None
    except ApiError as error:  # nothing is stored: the page shows why
        mistake = error.word if error.status == HTTPStatus.UNPROCESSABLE_ENTITY else None
        with session() as s:
            page = _render_question(find_asked(s, notification_id), token, form, mistake)
        return page, error.status if mistake else HTTPStatus.CONFLICT
    return _render_stored(shown, stored, offer), HTTPStatus.OK


def _read_answer_form() -> AnswerForm:
    value = read_value(request.form.get("value") or request.args.get("value"))
    day, hour = (request.form.get(name, "").replace("\0", "?").strip()[:20] for name in ("day", "hour"))
    return AnswerForm(value, frozenset(request.form.getlist("alert")), day, hour)


def _render_question(
    asked: AskedMessage | None, token: str, form: AnswerForm, mistake: str | None = None
) -> str:
    if asked is None:
        return render_template("links/answer.html", state="gone")
    use_account_language(asked.user.language)
    return render_template(
        "links/answer.html",
        state="final" if asked.is_final else "open",
        asked=asked,
        token=token,
        given=asked.given and asked.given.value.value,
        value=form.value and form.value.value,
        chooses_alerts=form.value in CLOSING and len(asked.alerts) > 1,
        form=form,
        mistake=mistake,
    )


def _render_stored(asked: AskedMessage, stored: StoredAnswer, offer: Contract | None) -> str:
    use_account_language(asked.user.language)
    return render_template(
        "links/answer.html",
        state="done",
        asked=asked,
        given=stored.value.value,
        contract=offer,
        until=asked.write_end(stored, read_language()),
    )


def _end_contract(notification_id: UUID) -> tuple[str, int]:
    """End the subscription of whoever answered « Trouvé », at the end of what is paid; a repetition changes nothing.

    People forward slot alerts: their link chooses no other end, and leads to no order.
    """
    with session() as s:
        asked = find_asked(s, notification_id)
        has_found = asked and asked.given and asked.given.value is AnswerValue.FOUND
        offer = read_end_offer(s, asked.user.id) if asked and has_found else None
    if asked and offer:
        use_account_language(asked.user.language)
        wish = CancellationChoice(wished=offer.choices[0].wished).choice
        cancel_own(asked.user.id, wish, Author(DeclaredBy.LINK, choose_page_language(read_language())))
    contract = read_once(read_own_contract, asked.user.id) if asked and has_found else None
    shown = contract if contract and contract.notice else None
    return render_template("cancellations/contract.html", contract=shown), HTTPStatus.OK


def ask_reminders(token: str) -> str:
    """Show when the reminders of an appointment come."""
    with session() as s:
        return _render_reminders(
            find_appointment(s, read_token(MoveReminders, token).appointment), done=False
        )


def set_reminders(token: str) -> tuple[str, int]:
    """Move the reminders, or switch them off, and choose their channels; a repetition changes nothing."""
    with session() as s:
        found = find_appointment(s, read_token(MoveReminders, token).appointment)
        try:
            wish = _read_reminders()
        except ValueError:  # also of a number with thousands of digits
            return _render_reminders(found, done=False, refused=True), 422
        if found:
            move_reminders(found.row, wish.first, wish.last)
            choose_channels(found.row, wish.first_by, wish.last_by)
        return _render_reminders(found, done=True), 200


def _read_reminders() -> Reminders:
    typed = {step.value: request.form.get(step, "") or None for step in Step}
    minutes = {name: int(text) if text and text.isdecimal() else text for name, text in typed.items()}
    named = {name: request.form.get(name) or None for name in ("firstBy", "lastBy")}
    return Reminders.model_validate(minutes | named)


def _render_reminders(found: LinkedAppointment | None, *, done: bool, refused: bool = False) -> str:
    if found is None or found.row.at is None or found.row.at <= clock():
        return render_template("links/reminders.html", found=None, done=done)
    use_account_language(found.user.language)
    language = read_language()
    return render_template(
        "links/reminders.html",
        found=found,
        moment=found.write_moment(language),
        choices={step.value: found.list_choices(step, language) for step in Step},
        channels=[(each.value, CHANNEL_NAMES[each]) for each in read_once(list_channels, found.user.id)],
        by={step.value: found.row.get_channel(step) or USUAL_CHANNELS[step] for step in Step},
        done=done,
        refused=refused,
    )


def ask_went(token: str) -> str:
    with session() as s:
        answer = read_token(TellHowItWent, token)
        return _render_answer(find_appointment(s, answer.appointment), done=False, well=answer.well)


def take_answer(token: str) -> str:
    """Store how an appointment went; a repetition changes nothing."""
    answer = read_token(TellHowItWent, token)
    with session() as s:
        found = find_appointment(s, answer.appointment)
        if found:
            store_answer(found.row, went_well=answer.well)
        return _render_answer(found, done=True, well=answer.well)


def _render_answer(found: LinkedAppointment | None, *, done: bool, well: bool) -> str:
    if found:
        use_account_language(found.user.language)
    return render_template("links/went.html", found=found is not None, done=done, well=well)
