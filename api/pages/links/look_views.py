"""Views of the link under a message about a desk that people watch: what its reader sees of the page."""

from http import HTTPStatus
from uuid import UUID

from flask import render_template, request

from api.ground.errors import ApiError
from api.models.base import session
from api.models.notification import Notification
from api.models.report import ReportVia
from api.models.user import User
from api.models.watchability import read_standings
from api.pages.forms import Form, write_problem
from api.pages.look_forms import TEXTS, LookForm, thank_for
from api.reports.service import NewReport, take_report
from api.web.languages import use_account_language
from configs.ground.signing import LinkRefused, ReportLook, read_token
from configs.world.desk import Desk
from configs.world.prefecture import desks


def ask_look(token: str) -> str:
    """Ask what the reader sees; the page is opened from here without noting it, for the message was an opening."""
    _user_id, desk = _find_reader(token)
    with session() as s:
        may_look = read_standings(s, [desk])[desk.id].is_reported
    return _render(
        desk, problem="" if may_look else write_problem("desk-not-reported", TEXTS), may_look=may_look
    )


def take_look(token: str) -> tuple[str, int]:
    """Take what the reader of a message sees just now."""
    (user_id, desk), form = _find_reader(token), Form.read(LookForm, TEXTS)
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


def _find_reader(token: str) -> tuple[UUID, Desk]:
    """Return whom a message went to, and the desk that it was about.

    Raises:
        LinkRefused: it was erased, or its desk has left the files.
    """
    with session() as s:
        found = s.get(Notification, read_token(ReportLook, token).notification)
        desk = desks().get(found.params.get("desk_id", "")) if found else None
        if found is None or found.user_id is None or desk is None:
            raise LinkRefused("expired")
        use_account_language(s.get_one(User, found.user_id).language)
        return found.user_id, desk


def _render(desk: Desk, *, done: str = "", problem: str = "", may_look: bool = True) -> str:
    return render_template("links/look.html", desk=desk, done=done, problem=problem, may_look=may_look)
