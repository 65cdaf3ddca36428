"""The text that takes the place of a slot alert in Telegram once its slots are gone; no new message."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from babel.dates import format_time
from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact
from configs.languages import MESSAGE_LANGUAGES
from notifier.content.announcements import Announcement
from notifier.content.desk_location import location_of
from notifier.content.edited_alerts import accepts_edits, find_open_again, read_told, skip_edit
from notifier.content.slot_alert_content import ContentCache, SlotOpening, merge
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class SlotGone(MessageKind):
    """Params: `message` (the provider's id), `alerts` (their notifications), `sent` and `at` (ISO 8601).

    It is of no group that can be switched off or held back: an edit makes no sound.
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
        return _describe(told, row)

    def restore(self, session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext | Skip:
        """Return what went."""
        return _describe(read_told(session, row), row)


def _describe(told: list[Announcement], row: ClaimedRow) -> TemplateContext | Skip:
    if not told:
        return Skip(State.SKIPPED, "alert deleted")
    cache = ContentCache()
    openings = [SlotOpening(each.detection, tuple(each.slots), each.detection.seen_at) for each in told]
    shown = merge((cache.context([each], (), row.language) for each in openings), row.language)
    first = told[0].detection
    zone = location_of(first.desk_id, first.prefecture_id).zone
    gone_hour = format_time(
        datetime.fromisoformat(row.params["at"]), "short", locale=row.language, tzinfo=zone
    )
    values: dict[str, Any] = {"openings": shown.values["openings"], "gone_hour": gone_hour}
    return replace(
        shown,
        values=values,
        url=None,
        substitutions={},
        key=(shown.key, gone_hour),
        stop_token="",
        replaces=row.params["message"],
    )
