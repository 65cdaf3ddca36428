"""Operators' pages of desks: the list, one desk, and the orders to pause, resume and check it."""

from flask import render_template
from flask.typing import ResponseReturnValue

from api.admin.access import audited
from api.admin.watch import queries, service
from api.admin.watch.schemas import DeskQuery, Reason
from api.models.desk import DeskStatus
from api.pages.admin.confirmation import Confirmation, NoFields, ask_confirmation, carry_out
from api.pages.admin.desks.view_data import (
    describe_check,
    describe_pause,
    describe_resume,
    list_prefecture_options,
    read_desk_view,
)
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.admin.words import DESK_STATUSES
from api.pages.area import Access, Area
from api.pages.forms import Form
from configs.world.desk import Desk

area = Area("admin_desks", __name__)
_ONE = "/admin/guichets/<prefecture>/<slug>"


@area.page("/admin/guichets", Access.OPERATOR)
def list_desks() -> str:
    """List desks with how they are watched."""
    form = Form.read_query(DeskQuery)
    with audited("desks.list", "desk") as work:
        found = queries.list_desks(work.session, form.value)
    return render_template(
        "admin_desks/desks.html",
        form=form,
        desks=found.items,
        first=build_first_url(form),
        next=build_next_url(form, after=found.next),
        places=list_prefecture_options(),
        statuses=[(each.value, DESK_STATUSES[each][1]) for each in DeskStatus],
    )


@area.page(_ONE, Access.OPERATOR)
def show_desk(prefecture: str, slug: str) -> str:
    """Show one desk with its latest checks."""
    desk = _find_desk(prefecture, slug)
    with audited("desk.view", "desk", desk.id) as work:
        view = read_desk_view(work, desk)
    return render_template("admin_desks/desk.html", view=view)


@area.page(f"{_ONE}/pause", Access.ADMIN)
def ask_pause(prefecture: str, slug: str) -> str:
    """Ask once more before a desk is paused."""
    return ask_confirmation(_read_pause(_find_desk(prefecture, slug)), Reason)


@area.action(f"{_ONE}/pause", Access.ADMIN)
def pause_desk(prefecture: str, slug: str) -> ResponseReturnValue:
    """Have a desk not checked until it is resumed."""
    desk = _find_desk(prefecture, slug)

    def act(wanted: Reason) -> str:
        with audited("desk.pause", "desk", desk.id) as work:
            work.changes.update(service.pause_desk(work.session, desk, wanted.reason))
        return f"{desk.id} est en pause."

    return carry_out(_read_pause(desk), Reason, act)


@area.page(f"{_ONE}/reprise", Access.ADMIN)
def ask_resume(prefecture: str, slug: str) -> str:
    """Ask once more before a paused desk is checked again."""
    return ask_confirmation(_read_resume(_find_desk(prefecture, slug)), NoFields)


@area.action(f"{_ONE}/reprise", Access.ADMIN)
def resume_desk(prefecture: str, slug: str) -> ResponseReturnValue:
    """Have a paused desk checked again, and now."""
    desk = _find_desk(prefecture, slug)

    def act(_: NoFields) -> str:
        with audited("desk.resume", "desk", desk.id) as work:
            work.changes.update(service.resume_desk(work.session, desk))
        return f"{desk.id} reprend : il est vérifié aussitôt que son site le permet."

    return carry_out(_read_resume(desk), NoFields, act)


@area.page(f"{_ONE}/verification", Access.ADMIN)
def ask_check(prefecture: str, slug: str) -> str:
    """Ask once more before a desk is checked now."""
    return ask_confirmation(describe_check(_find_desk(prefecture, slug)), NoFields)


@area.action(f"{_ONE}/verification", Access.ADMIN)
def request_check(prefecture: str, slug: str) -> ResponseReturnValue:
    """Have a desk checked now."""
    desk = _find_desk(prefecture, slug)

    def act(_: NoFields) -> str:
        with audited("desk.check", "desk", desk.id) as work:
            work.changes.update(service.request_check(work.session, desk))
        return f"La vérification de {desk.id} est demandée."

    return carry_out(describe_check(desk), NoFields, act)


def _find_desk(prefecture: str, slug: str) -> Desk:
    return queries.find_desk(f"{prefecture}/{slug}")


def _read_pause(desk: Desk) -> Confirmation:
    with audited("desk.view", "desk", desk.id) as work:
        return describe_pause(work, desk)


def _read_resume(desk: Desk) -> Confirmation:
    with audited("desk.view", "desk", desk.id) as work:
        return describe_resume(work, desk)
