"""Operators' page of answers: how alerts of each desk ended, and reports of pages that showed nothing."""

from typing import Annotated

from flask import render_template
from pydantic import Field

from api.admin.access import audited
from api.admin.answers.queries import list_false_alarms, read_overview
from api.admin.answers.schemas import FalseAlarmQuery
from api.figures.answers import find_first_month
from api.models.answer import AnswerVia
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.area import Access, Area
from api.pages.forms import Form

area = Area("admin_answers", __name__)
_VIA: dict[AnswerVia, str] = {
    AnswerVia.EMAIL: "e-mail",
    AnswerVia.TELEGRAM: "Telegram",
    AnswerVia.API: "API",
}


class AnswersQuery(FalseAlarmQuery):
    """The last `months` of the figures, and which page of the reports."""

    months: Annotated[int, Field(ge=1, le=12)] = 3


@area.page("/admin/reponses", Access.OPERATOR)
def list_answers() -> str:
    """Show what people answered: figures by desk, and the newest reports of a page that showed nothing."""
    form = Form.read_query(AnswersQuery)
    wanted = form.value
    with audited("answers.list", "answer") as work:
        overview = read_overview(work.session, find_first_month(wanted.months))
        reports = list_false_alarms(work.session, wanted)
    return render_template(
        "admin_answers/answers.html",
        form=form,
        months=wanted.months,
        overview=overview,
        reports=reports.items,
        via=_VIA,
        first=build_first_url(form),
        next=build_next_url(form, before=reports.next),
    )
