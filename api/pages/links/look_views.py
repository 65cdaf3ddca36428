"""Views of the links under messages about desks that people watch: the way to the page, and what its reader sees."""

from http import HTTPStatus
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from api.ground.errors import ApiError
from api.models.base import session, write_once
from api.models.notification import Notification
from api.models.report import ReportVia
from api.models.user import User
from api.models.watchability import read_standings
from api.pages.forms import Form, write_problem
from api.pages.look_forms import TEXTS, LookForm, lead_away, thank_for
from api.reports.service import NewReport, note_opening, take_report
from api.web.languages import use_account_language
from configs.ground.signing import LinkRefused, OpenPage, ReportLook, read_token
from configs.world.desk import Desk
from configs.world.prefecture import desks


def ask_look(token: str) -> str:
    """Ask what the reader sees; the page is opened from here without noting it, for the message was an opening."""
    _user_id, desk = _find_reader(read_token(ReportLook, token).notification)
    with session() as s:
        may_look = read_standings(s, [desk])[desk.id].is_reported
    return _render(
        desk, problem="" if may_look else write_problem("desk-not-reported", TEXTS), may_look=may_look
    )


def take_look(token: str) -> tuple[str, int]:
    """Take what the reader of a message sees just now."""
    user_id, desk = _find_reader(read_token(ReportLook, token).notification)
    form = Form.read(LookForm, TEXTS)
    if form.errors:
        return _render(desk, problem=next(iter(form.errors.values()))), HTTPStatus.UNPROCESSABLE_ENTITY
    given = NewReport.model_construct(desk_id=desk.id, kind=form.value.kind, days=form.value.days)
    try:
        with session() as s:
            made = take_report(s, user_id, given, ReportVia.LINK, request.remote_addr)
            return _render(desk, done=thank_for(made)), HTTPStatus.OK
    except ApiError as error:
        word = next((each.rule for each in error.errors), error.word)
        return _render(desk, problem=write_problem(word, TEXTS)), error.status


def open_page(token: str) -> ResponseReturnValue:
    """Lead to the official page from a chat, and note when and from which network: a GET that changes nothing else.

    Who may not report now is led there all the same; where nobody may look, a page says so.
    """
    user_id, desk = _find_reader(read_token(OpenPage, token).notification)
    try:
        write_once(note_opening, user_id, desk.id, request.remote_addr)
    except ApiError as error:
        if error.status == HTTPStatus.CONFLICT:
            return _render(desk, problem=write_problem(error.word, TEXTS), may_look=False), error.status
    return lead_away(desk)


def _find_reader(message: UUID) -> tuple[UUID, Desk]:
    """Return whom a message went to, and the desk that it was about.

    Raises:
        LinkRefused: it was erased, or its desk has left the files.
    """
    with session() as s:
        found = s.get(Notification, message)
        params = found.params if found else {}
        desk = desks().get(params.get("desk_id") or next(iter(params.get("desks", ())), ""))
        if found is None or found.user_id is None or desk is None:
            raise LinkRefused("expired")
        use_account_language(s.get_one(User, found.user_id).language)
        return found.user_id, desk


def _render(desk: Desk, *, done: str = "", problem: str = "", may_look: bool = True) -> str:
    return render_template("links/look.html", desk=desk, done=done, problem=problem, may_look=may_look)
