"""Content of the edits of slot alerts: what the edited message announced, that it is gone, or what is open again."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from babel.dates import format_time
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, aliased

from api.models.notification import State
from api.models.slot import SlotRow
from notifier.content.announcements import Announcement, read_announcements
from notifier.content.desk_location import location_of
from notifier.content.slot_alert_content import ContentCache, SlotOpening, StopLink, merge
from notifier.matching import OpenedSlot
from notifier.message_edits import EDITABLE_FOR
from notifier.message_kind_base import ClaimedRow, Skip, TemplateContext

_OPEN = "open"  # a slot at an unknown hour, as the table has it
ShownOpening = tuple[SlotOpening, Sequence[StopLink]]


@dataclass(frozen=True, slots=True)
class ReopenedSlot:
    """A slot that is open, at the moment of one that was announced, and when it was seen last."""

    slot: OpenedSlot
    seen_at: datetime


def skip_old(row: ClaimedRow, now: datetime) -> Skip | None:
    """Return why a message is too old to be edited, or None."""
    if datetime.fromisoformat(row.params["sent"]) <= now - EDITABLE_FOR:
        return Skip(State.EXPIRED, "too old to be edited")
    return None


def read_told(session: Session, row: ClaimedRow) -> list[Announcement]:
    """Return what the message announced that a row edits; what was deleted is left out."""
    found = read_announcements(session, [UUID(each) for each in row.params["alerts"]])
    return [each for each in found.values() if each.slots]


def find_open_again(session: Session, told: Iterable[Announcement]) -> dict[int, list[ReopenedSlot]]:
    """Return by announced slot those that are open now: by its own row, or by a later one of the same moment."""
    ids = sorted({slot.id for each in told for slot in each.slots})
    mine, other = aliased(SlotRow), aliased(SlotRow)
    same = sa.or_(other.moment == mine.moment, other.moment == _OPEN, mine.moment == _OPEN)
    columns = [getattr(other, name) for name in OpenedSlot._fields]
    query = sa.select(mine.id, other.seen_at, *columns).where(
        mine.id == sa.any_(sa.literal(ids, ARRAY(sa.BigInteger()))),
        other.desk_id == mine.desk_id,
        other.place_key == mine.place_key,
        other.gone_at.is_(None),
        same,
    )
    found: dict[int, list[ReopenedSlot]] = defaultdict(list)
    for slot_id, seen_at, *values in session.execute(query):
        found[slot_id].append(ReopenedSlot(OpenedSlot(*values), seen_at))
    return found


def list_open(each: Announcement, reopened: dict[int, list[ReopenedSlot]]) -> Sequence[ReopenedSlot]:
    """Return what is open of an announcement, in the order of ids, each slot once."""
    by_id = {open_one.slot.id: open_one for slot in each.slots for open_one in reopened.get(slot.id, ())}
    return [by_id[key] for key in sorted(by_id)]


def list_reopened(
    told: Iterable[Announcement], reopened: dict[int, list[ReopenedSlot]]
) -> list[ShownOpening]:
    """Return what is open of announcements, each with when it was seen last."""
    shown: list[ShownOpening] = []
    for each in told:
        if found := list_open(each, reopened):
            seen_at = max(open_one.seen_at for open_one in found)
            slots = tuple(open_one.slot for open_one in found)
            shown.append((SlotOpening(each.detection, slots, seen_at), each.stops))
    return shown


def describe_open(shown: Iterable[ShownOpening], language: str) -> TemplateContext:
    """Return the values of a text about open slots."""
    cache = ContentCache()
    return merge((cache.context([opening], stops, language) for opening, stops in shown), language)


def describe_gone(told: Sequence[Announcement], at: datetime, language: str) -> TemplateContext:
    """Return the values of the text that slots were gone at an instant."""
    shown = describe_open(
        [(SlotOpening(each.detection, tuple(each.slots), each.detection.seen_at), ()) for each in told],
        language,
    )
    first = told[0].detection
    zone = location_of(first.desk_id, first.prefecture_id).zone
    gone_hour = format_time(at, "short", locale=language, tzinfo=zone)
    values = {"openings": shown.values["openings"], "gone_hour": gone_hour}
    return replace(shown, values=values, url=None, key=(shown.key, gone_hour))
