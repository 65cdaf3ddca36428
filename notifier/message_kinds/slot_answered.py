"""The text of a slot alert in Telegram once its reader has answered: the same, with the answer; no new message."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.notification import Notification, State
from api.models.user import Channel, Contact
from configs.languages import MESSAGE_LANGUAGES
from notifier.content.announcements import Announcement
from notifier.content.answered_alerts import add_answers, list_alerts
from notifier.content.edited_alerts import (
    describe_gone,
    describe_open,
    find_open_again,
    list_reopened,
    read_told,
    skip_old,
)
from notifier.content.slot_alert_content import SlotOpening
from notifier.message_edits import GONE, MOST_EDITS, REOPENED
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext
from notifier.message_kinds import SLOT_DETECTED


class SlotAnswered(MessageKind):
    """Params: `message` (the provider's id), `alerts` (their notifications), `sent` (ISO 8601).

    `asks`: the answer whose alert or desk the buttons ask for; left out where they offer the answers.
    """

    languages = tuple(MESSAGE_LANGUAGES)

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a chat, switched off or not: who pressed its button awaits a reply."""
        return contact.channel is Channel.TELEGRAM and contact.is_linked

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return the alert with what was answered, unless the message is too old."""
        if not contact.is_linked:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        return skip_old(row, now) or _describe(session, row, now)

    def restore(self, session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext | Skip:
        """Return the alert with the answers of today."""
        return _describe(session, row, row.created_at)


def _describe(session: Session, row: ClaimedRow, now: datetime) -> TemplateContext | Skip:
    told = read_told(session, row)
    if not told:
        return Skip(State.SKIPPED, "alert deleted")
    return add_answers(session, row, _describe_shown(session, told, row), now)


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
