"""The text that takes the place of "gone" in Telegram once a slot is open again; no new message."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact
from configs.languages import MESSAGE_LANGUAGES
from notifier.content.announcements import Announcement
from notifier.content.answered_alerts import add_answers
from notifier.content.edited_alerts import (
    ShownOpening,
    accepts_edits,
    describe_open,
    find_open_again,
    list_reopened,
    read_told,
    skip_edit,
)
from notifier.content.slot_alert_content import SlotOpening
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class SlotReopened(MessageKind):
    """Params as those of `slot_gone`. Nothing holds it back: an edit makes no sound."""

    languages = tuple(MESSAGE_LANGUAGES)

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a chat."""
        return accepts_edits(contact)

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return what is open again, unless it went once more or the message is too old."""
        if skip := skip_edit(row, contact, now):
            return skip
        told = read_told(session, row)
        reopened = list_reopened(told, find_open_again(session, told))
        return _describe(session, reopened, row, now) if reopened else Skip(State.EXPIRED, "gone again")

    def restore(self, session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext | Skip:
        """Return what was announced first, whether it is open still or not."""
        return _describe(
            session, [_restore(each, row) for each in read_told(session, row)], row, row.created_at
        )


def _restore(told: Announcement, row: ClaimedRow) -> ShownOpening:
    at = datetime.fromisoformat(row.params["at"])
    return SlotOpening(told.detection, tuple(told.slots), at), told.stops


def _describe(
    session: Session, reopened: Sequence[ShownOpening], row: ClaimedRow, now: datetime
) -> TemplateContext | Skip:
    if not reopened:
        return Skip(State.SKIPPED, "alert deleted")
    return add_answers(session, row, describe_open(reopened, row.language), now)
