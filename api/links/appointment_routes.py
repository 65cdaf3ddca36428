"""Routes of the links about appointments: their reminders, and how they went."""

from flask import render_template, request

from api.alerts.how_it_went import store_answer
from api.alerts.reminders import Step, move_reminders
from api.links.appointments import LinkedAppointment, UnknownChoice, find_appointment, is_over, read_choice
from api.links.blueprint import blueprint
from api.middleware.languages import read_language, use_account_language
from api.models.base import session
from configs.ground.clock import clock
from configs.ground.signed_links import MoveReminders, TellHowItWent, read_token


@blueprint.get("/reminder/<token>")
def ask_reminders(token: str) -> str:
    """Show when the reminders of an appointment come."""
    with session() as s:
        return _render_reminders(
            find_appointment(s, read_token(MoveReminders, token).appointment), done=False
        )


@blueprint.post("/reminder/<token>")
def set_reminders(token: str) -> tuple[str, int]:
    """Move the reminders, or switch them off; a repetition changes nothing."""
    with session() as s:
        found = find_appointment(s, read_token(MoveReminders, token).appointment)
        try:
            chosen = [read_choice(request.form.get(step, ""), step) for step in Step]
        except UnknownChoice:
            return _render_reminders(found, done=False, refused=True), 422
        if found:
            move_reminders(found.row, *chosen)
        return _render_reminders(found, done=True), 200


def _render_reminders(found: LinkedAppointment | None, *, done: bool, refused: bool = False) -> str:
    if found is None or is_over(found, clock()):
        return render_template("reminders.html", found=None, done=done)
    use_account_language(found.user.language)
    language = read_language()
    choices = {step.value: found.list_choices(step, language) for step in Step}
    return render_template(
        "reminders.html",
        found=found,
        moment=found.write_moment(language),
        choices=choices,
        done=done,
        refused=refused,
    )


@blueprint.get("/went/<token>")
def ask_went(token: str) -> str:
    """Show the answer that would be stored."""
    with session() as s:
        answer = read_token(TellHowItWent, token)
        return _render_answer(find_appointment(s, answer.appointment), done=False, well=answer.well)


@blueprint.post("/went/<token>")
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
    return render_template("went.html", found=found is not None, done=done, well=well)
