"""Operators' pages of messages that failed for good: the list with its causes, and sending them again."""

from flask import render_template
from flask.typing import ResponseReturnValue

from api.admin.access import audited
from api.admin.system import actions, queries
from api.admin.system.schemas import DeadLetterQuery
from api.errors import not_found
from api.models.user import Channel
from api.pages.admin.confirmation import ask_confirmation, carry_out
from api.pages.admin.dead_letters.view_data import (
    ReplayForm,
    build_replay,
    describe_done,
    describe_replay,
)
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.area import Access, Area
from api.pages.forms import Form
from api.pages.message_words import CHANNEL_NAMES

area = Area("admin_dead_letters", __name__)


@area.page("/admin/messages-echoues", Access.OPERATOR)
def list_dead_letters() -> str:
    """List messages that failed for good, the latest failure first, and why they did."""
    form = Form.read_query(DeadLetterQuery)
    with audited("dead-letters.list", "notification") as work:
        found = queries.list_dead_letters(work.session, form.value)
        causes = queries.list_causes(work.session, form.value.hours)
        work.note_seen(each.id for each in found.items)
    return render_template(
        "admin_dead_letters/dead_letters.html",
        form=form,
        hours=form.value.hours,
        letters=found.items,
        causes=causes,
        channels=[(each.value, CHANNEL_NAMES[each]) for each in Channel],
        channel_names=CHANNEL_NAMES,
        first=build_first_url(form),
        next=build_next_url(form, before=found.next),
    )


@area.page("/admin/messages-echoues/renvoi", Access.ADMIN)
def ask_replay() -> str:
    """Ask once more before messages are sent again: one, or those of a filter."""
    form = Form.read_query(ReplayForm)
    if form.errors:  # the value would be a choice of everything
        raise not_found("choice of messages")
    return ask_confirmation(describe_replay(form.value), ReplayForm, **form.typed)


@area.action("/admin/messages-echoues/renvoi", Access.ADMIN)
def replay() -> ResponseReturnValue:
    """Send messages again."""

    def act(wanted: ReplayForm) -> str:
        return describe_done(actions.replay_dead_letters(build_replay(wanted), refuse_none=True))

    chosen = Form.read(ReplayForm)
    if chosen.errors:
        raise not_found("choice of messages")
    return carry_out(describe_replay(chosen.value), ReplayForm, act)
