"""Routes of the links that answer a slot alert."""

from http import HTTPStatus
from uuid import UUID

from flask import render_template, request

import notifier
from api.answers.errors import AnswerFinal, UnknownMatch
from api.answers.service import StoredAnswer
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
from api.links.blueprint import blueprint
from api.middleware.languages import read_language, use_account_language
from api.models.base import session
from configs.ground.signed_links import AnswerAlert, read_token


@blueprint.get("/answer/<token>")
def ask_answer(token: str) -> str:
    """Show the answer to a slot alert that would be stored."""
    with session() as s:
        asked = find_asked(s, read_token(AnswerAlert, token).notification)
        return _render_question(asked, token, AnswerForm(read_value(request.args.get("value"))))


@blueprint.post("/answer/<token>")
def answer_alert(token: str) -> tuple[str, int]:
    """Store an answer to a slot alert; a repetition changes nothing."""
    notification_id, form = read_token(AnswerAlert, token).notification, _read_answer_form()
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
