"""The text that takes the place of a slot alert in Telegram once its slots are gone; no new message."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from babel.dates import format_time
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, aliased

from api.models.notification import State
from api.models.slot import SlotRow
from api.models.user import Channel, Contact
from configs.languages import MESSAGE_LANGUAGES
from notifier.content.announcements import Announcement, read_announcements
from notifier.content.desk_location import location_of
from notifier.content.desk_message_content import skip_unreachable
from notifier.content.slot_alert_content import ContentCache, SlotOpening, merge
from notifier.gone_slots import EDITABLE_FOR
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

_OPEN = "open"  # a slot at an unknown hour, as the table has it


class SlotGone(MessageKind):
    """Params: `message` (the provider's id), `alerts` (their notifications), `sent` and `at` (ISO 8601).

    It is of no group that can be switched off or held back: an edit makes no sound.
    """

    languages = tuple(MESSAGE_LANGUAGES)

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a chat: other channels cannot change what they delivered."""
        return contact.channel is Channel.TELEGRAM and contact.reachable

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return what went, unless it is open again or the message is too old."""
        if skip := skip_unreachable(contact):
            return skip
        if datetime.fromisoformat(row.params["sent"]) <= now - EDITABLE_FOR:
            return Skip(State.EXPIRED, "too old to be edited")
        told = _read_told(session, row)
        if _is_open_again(session, told):
            return Skip(State.EXPIRED, "open again")
        return _describe(told, row)

    def restore(self, session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext | Skip:
        """Return what went."""
        return _describe(_read_told(session, row), row)


def _read_told(session: Session, row: ClaimedRow) -> list[Announcement]:
    found = read_announcements(session, [UUID(each) for each in row.params["alerts"]])
    return [each for each in found.values() if each.slots]


def _is_open_again(session: Session, told: Iterable[Announcement]) -> bool:
    """Return whether one of the slots is open, by its own row or by a later one of the same moment."""
    ids = sorted({slot.id for each in told for slot in each.slots})
    mine, other = aliased(SlotRow), aliased(SlotRow)
    same = sa.or_(other.moment == mine.moment, other.moment == _OPEN, mine.moment == _OPEN)
    found = sa.select(other.id).where(
        mine.id == sa.any_(sa.literal(ids, ARRAY(sa.BigInteger()))),
        other.desk_id == mine.desk_id,
        other.place_key == mine.place_key,
        other.gone_at.is_(None),
        same,
    )
    return session.scalar(found.limit(1)) is not None


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
