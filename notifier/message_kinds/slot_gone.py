"""The text that takes the place of a slot alert in Telegram once its slots are gone; no new message."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact
from configs.languages import MESSAGE_LANGUAGES
from notifier.content.announcements import Announcement
from notifier.content.answered_alerts import add_answers
from notifier.content.edited_alerts import accepts_edits, describe_gone, find_open_again, read_told, skip_edit
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class SlotGone(MessageKind):
    """Params: `message` (the provider's id), `alerts` (their notifications), `sent` and `at` (ISO 8601).

    It is of no group that can be switched off or held back: an edit makes no sound. Its reader can answer still.
    """

    languages = tuple(MESSAGE_LANGUAGES)

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a chat."""
        return accepts_edits(contact)

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return what went, unless it is open again or the message is too old."""
        if skip := skip_edit(row, contact, now):
            return skip
        told = read_told(session, row)
        if find_open_again(session, told):
            return Skip(State.EXPIRED, "open again")
        return _describe(session, told, row, now)

    def restore(self, session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext | Skip:
        """Return what went."""
        return _describe(session, read_told(session, row), row, row.created_at)


def _describe(
    session: Session, told: Sequence[Announcement], row: ClaimedRow, now: datetime
) -> TemplateContext | Skip:
    if not told:
        return Skip(State.SKIPPED, "alert deleted")
    shown = describe_gone(told, datetime.fromisoformat(row.params["at"]), row.language)
    return add_answers(session, row, shown, now)
