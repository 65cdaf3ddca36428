"""Texts of messages that were written before, rendered again from their rows by the renderers of sending.

A row is all that is kept of a message. What it names may have changed since: the text says what it would say now.
"""

import html
import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState
from configs.clock import clock
from configs.database_errors import passes
from configs.retention import MESSAGES_KEPT_FOR
from notifier import RestoredMessage, Withheld
from notifier.channel_base import RenderedMessage
from notifier.content.message_links import link
from notifier.content.messages import render, render_title
from notifier.content.named_rows import load_named_rows
from notifier.content.sms_text import fit_text
from notifier.message_kind_base import ClaimedRow, Seen, Skip, TemplateContext
from notifier.message_kinds import kind_of, kinds

WITHHELD = "[…]"  # in place of a link that works for everybody who has it
_TAG = re.compile(r"<[^>]*>")

log = structlog.get_logger(__name__)


def restore(session: Session, rows: Sequence[Notification]) -> dict[UUID, RestoredMessage]:
    """Return by id what these messages said, in a few queries for any number of rows."""
    restored: dict[UUID, RestoredMessage] = {}
    shown: dict[str, list[Notification]] = defaultdict(list)
    for row in rows:
        if reason := _find_reason_to_withhold(row):
            restored[row.id] = _withhold(row, reason)
        else:
            shown[row.kind].append(row)
    held = load_named_rows(session, list(chain.from_iterable(shown.values())))
    for kind, mine in shown.items():
        seen = [(ClaimedRow.of(row), _build_contact(row)) for row in mine]
        for (each, _), context in zip(seen, _read_again(session, kind, seen), strict=True):
            restored[each.id] = _render(each, context)
    del held  # until here: the session forgets what nothing holds
    return restored


def _find_reason_to_withhold(row: Notification) -> Withheld | None:
    if row.kind not in kinds():
        return "unavailable"
    if kind_of(row.kind).is_secret:
        return "secret"
    return "erased" if row.created_at <= clock() - MESSAGES_KEPT_FOR() else None


def _build_contact(row: Notification) -> Contact:
    """Return a contact that can be reached, in no session: what became of the real one does not matter here."""
    return Contact(
        id=row.contact_id,
        user_id=row.user_id,
        channel=row.channel,
        address="",
        verified_at=row.created_at,
        enabled=True,
        state=ContactState.OK,
    )


def _read_again(session: Session, kind: str, seen: Seen) -> list[TemplateContext | None]:
    """Return what each message is filled with; None where what it was about is gone."""
    try:
        found = kind_of(kind).restore_all(session, seen)
    except Exception as error:
        if passes(error):
            raise
        # The boundary: what a row makes its kind raise is that row's alone.
        if len(seen) > 1:
            return [found for each in seen for found in _read_again(session, kind, [each])]
        log.exception("not restored", notification=str(seen[0][0].id), kind=kind)
        return [None]
    return [None if isinstance(each, Skip) else each for each in found]


def _render(row: ClaimedRow, context: TemplateContext | None) -> RestoredMessage:
    if context is None:
        return _withhold(row, "unavailable")
    try:
        text = _choose_text(row.channel, render(row.kind, row.channel, row.language, context))
    except Exception:
        # The boundary: a text that changed since may need a value that an old row has not.
        log.exception("not restored", notification=str(row.id), kind=row.kind)
        return _withhold(row, "unavailable")
    for tag in context.substitutions:
        text = text.replace(tag, WITHHELD)
    signed = re.escape(link("")) + r"/[\w-]+/\S+"
    title = render_title(row.kind, row.language, context.values)
    return RestoredMessage("shown", title, re.sub(signed, WITHHELD, text))


def _withhold(row: ClaimedRow | Notification, reason: Withheld) -> RestoredMessage:
    params: object = row.params  # as the row has it: any JSON
    values = {}
    if row.kind in kinds() and isinstance(params, dict):
        values = kind_of(row.kind).name_subject(params)
    return RestoredMessage(reason, render_title(row.kind, row.language, values))


def _choose_text(channel: Channel, rendered: RenderedMessage) -> str:
    """Return what a reader of the channel reads, as plain text."""
    if channel is Channel.SMS:
        return fit_text(rendered)
    if channel is Channel.TELEGRAM and rendered.html:
        return html.unescape(_TAG.sub("", rendered.html))
    return rendered.text
