"""The text that takes the place of "gone" in Telegram once a slot is open again; no new message."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact
from configs.languages import MESSAGE_LANGUAGES
from notifier.content.announcements import Announcement
from notifier.content.edited_alerts import accepts_edits, find_open_again, list_open, read_told, skip_edit
from notifier.content.slot_alert_content import ContentCache, SlotOpening, StopLink, merge
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

Reopened = tuple[SlotOpening, Sequence[StopLink]]


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
        opened = find_open_again(session, told)
        reopened: list[Reopened] = []
        for each in told:
            if found := list_open(each, opened):
                seen_at = max(open_one.seen_at for open_one in found)
                slots = tuple(open_one.slot for open_one in found)
                reopened.append((SlotOpening(each.detection, slots, seen_at), each.stops))
        return _describe(reopened, row) if reopened else Skip(State.EXPIRED, "gone again")

    def restore(self, session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext | Skip:
        """Return what was announced first, whether it is open still or not."""
        return _describe([_restore(each, row) for each in read_told(session, row)], row)


def _restore(told: Announcement, row: ClaimedRow) -> Reopened:
    at = datetime.fromisoformat(row.params["at"])
    return SlotOpening(told.detection, tuple(told.slots), at), told.stops


def _describe(reopened: Sequence[Reopened], row: ClaimedRow) -> TemplateContext | Skip:
    if not reopened:
        return Skip(State.SKIPPED, "alert deleted")
    cache = ContentCache()
    shown = merge(
        (cache.context([opening], stops, row.language) for opening, stops in reopened), row.language
    )
    return replace(shown, replaces=row.params["message"])
