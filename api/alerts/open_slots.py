"""Open slots of alerts by desk and day: what the account's pages and the page of a slot alert's link show first."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INT8RANGE
from sqlalchemy.orm import Session, aliased

from api.alerts.answers import list_announced
from api.models.base import is_any_of
from api.models.desk import Source
from api.models.notification import Match
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import User
from configs.ground.clock import clock
from configs.world.desk import HOME_ZONE, zone_or_home
from configs.world.prefecture import desks, prefectures

KEPT_FOR = timedelta(hours=24)  # for so long a link says that its slots are gone


@dataclass(frozen=True, slots=True)
class OpenDesk:
    """The slots of one desk that were open at the last look: hours (`09:30`) by day, both in the desk's own time.

    A day without hours names none; the day None is not known.
    """

    desk_id: str
    place: str  # `Val-d'Oise (95)`
    label: str
    site: str | None
    url: str
    seats: int
    seen_at: datetime  # when one of them was seen last
    zone: str  # the desk's (IANA)
    days: list[tuple[date | None, list[str]]]
    witness: str  # who saw it: `person` (one, in doubt) or `people`; empty: a check


@dataclass(frozen=True, slots=True)
class LinkedSlots:
    """What of a message's slots is open, in its reader's language; `places`: the prefectures that it named."""

    language: str
    desks: list[OpenDesk]
    places: list[str]


def read_open_desks(
    session: Session, is_its: sa.ColumnElement[bool], *, together: bool = False
) -> dict[UUID | None, list[OpenDesk]]:
    """Return by alert what is open of the slots that its matches announced; `is_its`: the condition on matches.

    `together`: of all alerts as one, whose key is None.

    Of a slot of unknown hour also the hours that its place shows meanwhile.
    """
    own = aliased(SlotRow)
    is_superseded = sa.exists().where(
        own.desk_id == SlotRow.desk_id,
        own.place_key == SlotRow.place_key,
        own.moment == "open",
        own.gone_reason == GoneReason.SUPERSEDED,
        own.gone_at >= SlotRow.opened_at,
        Match.slots.contains(own.id),
    )
    query = (
        sa.select(Match.alert_id, Detection, SlotRow)
        .join(Detection, Detection.id == Match.detection_id)
        .join(SlotRow, sa.and_(SlotRow.desk_id == Detection.desk_id, SlotRow.gone_at.is_(None)))
        .where(is_its, Match.slots.contains(SlotRow.id) | is_superseded)
        .order_by(Detection.id)
    )
    found: defaultdict[UUID | None, defaultdict[str, dict[int, SlotRow]]]
    found = defaultdict(lambda: defaultdict(dict))
    newest: dict[str, Detection] = {}
    for alert_id, detection, slot in session.execute(query):
        newest[slot.desk_id] = detection
        found[None if together else alert_id][slot.desk_id][slot.id] = slot
    return {
        key: sorted(
            (_build_desk(newest[desk_id], list(slots.values())) for desk_id, slots in its.items()),
            key=lambda each: each.seen_at,
            reverse=True,
        )
        for key, its in found.items()
    }


def find_linked_slots(session: Session, notification_id: UUID) -> LinkedSlots | None:
    """Return what a message announced and is open; None a day after its last slot was gone, or without its alerts."""
    matches = list_announced(session, notification_id)
    if not matches:
        return None
    is_its = is_any_of(Match.id, [each.match_id for each in matches])
    found = read_open_desks(session, is_its, together=True).get(None, [])
    if not found and _find_last_end(session, is_its) <= clock() - KEPT_FOR:
        return None
    ids = session.scalars(
        sa.select(Detection.prefecture_id)
        .join(Match, Match.detection_id == Detection.id)
        .where(is_its)
        .distinct()
    )
    language = session.get_one(User, matches[0].user_id).language
    return LinkedSlots(language, found, sorted(map(name_prefecture, ids)))


def name_prefecture(prefecture_id: str) -> str:
    """Return a prefecture's name and department, also of one that has left the files."""
    place = prefectures().get(prefecture_id)
    name, _, code = prefecture_id.partition("_")
    return f"{place.name} ({place.department})" if place else f"{name.title()} ({code.upper()})"


def _find_last_end(session: Session, is_its: sa.ColumnElement[bool]) -> datetime:
    span = sa.func.unnest(Match.slots, type_=INT8RANGE()).label("span")
    its = sa.select(span).where(is_its).subquery()
    is_within = sa.and_(SlotRow.id >= sa.func.lower(its.c.span), SlotRow.id < sa.func.upper(its.c.span))
    last = sa.select(sa.func.max(sa.func.coalesce(SlotRow.gone_at, SlotRow.seen_at)))
    return session.scalar(last.select_from(SlotRow).join(its, is_within)) or clock() - KEPT_FOR


def _build_desk(detection: Detection, slots: Sequence[SlotRow]) -> OpenDesk:
    desk, place = desks().get(detection.desk_id), prefectures().get(detection.prefecture_id)
    site, url = detection.site, detection.booking_url
    if desk and desk.in_rounds:
        site, url = desk.name_places({each.place_key: (each.place_label, each.url) for each in slots})
    zone = desk.time_zone if desk else place.time_zone if place else HOME_ZONE
    is_doubted = all(each.in_doubt for each in slots)
    return OpenDesk(
        desk_id=detection.desk_id,
        place=name_prefecture(detection.prefecture_id),
        label=detection.label,
        site=site,
        url=url,
        seats=sum(each.seats or 1 for each in slots),
        seen_at=max(each.seen_at for each in slots),
        zone=zone,
        days=_group_days(slots, zone),
        witness="" if detection.source is Source.CHECK else "person" if is_doubted else "people",
    )


def _group_days(slots: Iterable[SlotRow], zone: str) -> list[tuple[date | None, list[str]]]:
    hours: defaultdict[date | None, set[str]] = defaultdict(set)
    for slot in slots:
        if slot.starts_at:
            local = slot.starts_at.astimezone(zone_or_home(zone))
            hours[local.date()].add(f"{local:%H:%M}")
        else:
            hours[None if slot.moment == "open" else date.fromisoformat(slot.moment[:10])]
    known: Any = sorted(hours.items(), key=lambda item: (item[0] is None, item[0] or date.min))
    return [(day, sorted(its)) for day, its in known]
