"""Edits of slot alerts in Telegram: gone, open again, or with what their reader answered; no new message.

Params: `message` (the provider's id), `alerts` (their notifications), `sent` and `at` (ISO 8601). An edit makes no
sound: it is of no group that can be switched off or held back, and its reader can answer still.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.notification import Notification, State
from api.models.user import Contact
from notifier.content.edited_alerts import (
    add_answers,
    describe_gone,
    describe_open,
    find_open_again,
    list_alerts,
    list_reopened,
    read_told,
    skip_old,
)
from notifier.content.slot_alert_content import Announcement, SlotOpening
from notifier.message_edits import GONE, MOST_EDITS, REOPENED
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext
from notifier.message_kinds import SLOT_DETECTED
from notifier.message_kinds.recipients import EDITABLE_CHAT, LINKED_CHAT

_DELETED = Skip(State.SKIPPED, "alert deleted")


def _check_age(_session: Session, row: ClaimedRow, _contact: Contact, now: datetime) -> Skip | None:
    return skip_old(row, now)


def _check_gone(session: Session, row: ClaimedRow, _contact: Contact, now: datetime) -> Skip | None:
    if skip := skip_old(row, now):
        return skip
    reopened = find_open_again(session, read_told(session, row))
    return Skip(State.EXPIRED, "open again") if reopened else None


def _say_gone(session: Session, row: ClaimedRow, _contact: Contact, now: datetime) -> TemplateContext | Skip:
    """Return what went."""
    told = read_told(session, row)
    if not told:
        return _DELETED
    shown = describe_gone(told, datetime.fromisoformat(row.params["at"]), row.language)
    return add_answers(session, row, shown, now)


def _say_open_again(
    session: Session, row: ClaimedRow, _contact: Contact, now: datetime
) -> TemplateContext | Skip:
    """Return what is open again, unless it went once more."""
    told = read_told(session, row)
    reopened = list_reopened(told, find_open_again(session, told))
    if not reopened:
        return Skip(State.EXPIRED, "gone again")
    return add_answers(session, row, describe_open(reopened, row.language), now)


def _say_answered(
    session: Session, row: ClaimedRow, _contact: Contact, now: datetime
) -> TemplateContext | Skip:
    """Return the alert with what was answered.

    `asks` of the params: the answer whose alert or desk the buttons ask for; left out where they offer the answers.
    """
    told = read_told(session, row)
    return add_answers(session, row, _describe_shown(session, told, row), now) if told else _DELETED


def _describe_shown(session: Session, told: Sequence[Announcement], row: ClaimedRow) -> TemplateContext:
    """Return what the message says now: that its slots are gone, that they are open again, or what was announced."""
    edit = _find_edit(session, row)
    if edit and edit.kind == GONE:
        shown = describe_gone(told, datetime.fromisoformat(edit.params["at"]), row.language)
    elif edit and (reopened := list_reopened(told, find_open_again(session, told))):
        shown = describe_open(reopened, row.language)
    else:
        seen = sa.select(sa.func.max(Notification.seen_at)).where(
            is_any_of(Notification.id, list_alerts(row))
        )
        seen_at = session.scalar(seen)
        openings = [
            (SlotOpening(each.detection, tuple(each.slots), seen_at or each.detection.seen_at), each.stops)
            for each in told
        ]
        shown = describe_open(openings, row.language)
    shows = edit.kind if edit else SLOT_DETECTED
    return replace(shown, values=shown.values | {"shows": shows}, key=(shown.key, shows))


def _find_edit(session: Session, row: ClaimedRow) -> sa.Row[str, dict[str, str]] | None:
    """Return the newest edit of the message that left, or is leaving: its kind and params."""
    names = [
        f"{kind}:{row.contact_id}:{row.params['message']}:{number}"
        for kind in (GONE, REOPENED)
        for number in range(MOST_EDITS)
    ]
    edits = (
        sa.select(Notification.kind, Notification.params)
        .where(Notification.dedupe_key.in_(names), Notification.state.in_((State.SENDING, State.DELIVERED)))
        .order_by(Notification.created_at.desc(), Notification.id.desc())
    )
    return session.execute(edits.limit(1)).one_or_none()


KINDS = {
    "slot_gone": MessageKind(to=EDITABLE_CHAT, check=_check_gone, values=_say_gone, secret=False),
    "slot_reopened": MessageKind(to=EDITABLE_CHAT, check=_check_age, values=_say_open_again, secret=False),
    "slot_answered": MessageKind(to=LINKED_CHAT, check=_check_age, values=_say_answered, secret=False),
}
