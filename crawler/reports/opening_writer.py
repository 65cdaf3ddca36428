"""Writer of a desk's opening as people see it: its slots and detections, by the statements that checks use."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.models.desk import Source
from api.models.report import Report
from api.models.slot import Detection, GoneReason, SlotRow
from configs.world.desk import Desk
from crawler.recording.slot_writer import describe_detection, write_detections, write_opened_slots
from crawler.reports.judgement import (
    CONFIRMED_WITHIN,
    RETURNS_WITHIN,
    Action,
    Audience,
    Opening,
    Verdict,
    add_telling,
    has_lapsed,
    report_lapse_seconds,
)

_PLACE = "people"  # key of the one place of what people see
_OPEN = "open"
_LATELY = RETURNS_WITHIN + CONFIRMED_WITHIN  # since when what is gone may come back


def read_opening(session: Session, desk_id: str, now: datetime) -> tuple[Opening | None, dict[str, int]]:
    """Return what people see open at a desk, or saw lately; and the ids of its slots, by moment."""
    is_gone = sa.and_(SlotRow.gone_at > now - _LATELY, SlotRow.gone_reason != GoneReason.SUPERSEDED)
    mine = SlotRow.desk_id == desk_id, SlotRow.source == Source.REPORT
    known = sa.select(SlotRow).where(*mine, sa.or_(SlotRow.gone_at.is_(None), is_gone))
    slots = session.scalars(known.order_by(SlotRow.gone_at.desc().nulls_first(), SlotRow.id)).all()
    tellings = session.execute(_select_tellings(desk_id)).all() if slots else []
    if not tellings:
        return None, {}
    gone_at, first = slots[0].gone_at, tellings[0]
    last = {each.moment: each for each in slots if each.gone_at == gone_at}
    seen_at = max(each.seen_at for each in last.values())
    opening = Opening(first.opening_id, first.seen_at, seen_at, in_doubt=first.in_doubt)
    for each in tellings:
        people = [who for who in (each.user_id, each.partner_id) if who]
        opening = replace(opening, in_doubt=each.in_doubt)
        opening = add_telling(opening, each.seen_at, people, is_again=each.is_again)
    in_doubt, days = any(each.in_doubt for each in last.values()), frozenset(last) - {_OPEN}
    opening = replace(opening, in_doubt=in_doubt, gone_at=gone_at, days=days)
    return opening, {moment: each.id for moment, each in last.items()}


def _select_tellings(desk_id: str) -> sa.Select[*tuple[Any, ...]]:
    """Return the query of the detections of a desk's last opening, with the people whose looks made them."""
    one, other, row = aliased(Report), aliased(Report), Detection
    opening_id = sa.func.coalesce(row.opening_id, row.id)
    mine = row.desk_id == desk_id, row.source == Source.REPORT
    newest = sa.select(opening_id).where(*mine).order_by(row.seen_at.desc(), row.id.desc()).limit(1)
    return (
        sa.select(
            opening_id.label("opening_id"), row.seen_at, row.in_doubt, row.is_again, one.user_id,
            other.user_id.label("partner_id"),
        )
        .outerjoin(one, one.detection_id == row.id)
        .outerjoin(other, other.id == one.corroborates_id)
        .where(*mine, opening_id == newest.scalar_subquery())
        .order_by(row.id)
    )  # fmt: skip


def lapse_reported_slots(session: Session, now: datetime) -> None:
    """Close the slots that no look confirmed for REPORT_LAPSE_SECONDS."""
    lasts = timedelta(seconds=report_lapse_seconds())
    is_unseen, ends_at = SlotRow.seen_at <= now - lasts, SlotRow.seen_at + lasts
    _update_open(session, is_unseen, gone_at=ends_at, gone_reason=GoneReason.LAPSED)


@dataclass
class OpeningWriter:
    """State of a desk's opening while its reports are written, one after the other."""

    session: Session
    desk: Desk
    opening: Opening | None
    slots: dict[str, int]  # ids by moment of those that are open, or were
    detections: list[UUID] = field(default_factory=list)

    def carry_out(self, verdict: Verdict) -> UUID | None:
        """Write what follows a look; return the detection that tells it, if one does."""
        was, now, self.opening = self.opening, verdict.opening, verdict.opening
        if now is None or verdict.action is Action.NOTHING:
            return None
        if was and was.gone_at is None and verdict.action in (Action.END, Action.OPEN):
            self._close(GoneReason.TAKEN, max(now.gone_at or now.seen_at, was.seen_at))
        if verdict.action is Action.OPEN:
            self.slots = self._write_slots(verdict.days or [_OPEN], now)
        elif verdict.action is Action.RETURN:
            self.slots = self._write_slots(self.slots, now, _LATELY)
        elif was and now.gone_at is None and (now.seen_at, now.in_doubt) != (was.seen_at, was.in_doubt):
            _update_open(
                self.session, SlotRow.desk_id == self.desk.id, seen_at=now.seen_at, in_doubt=now.in_doubt
            )
        if verdict.days and verdict.action is not Action.OPEN:
            self._add_days(verdict.days, now)
        return None if verdict.tells is Audience.NOBODY else self._detect(now, verdict.tells)

    def close_lapsed(self, now: datetime) -> None:
        """Close the opening where it was seen too long ago."""
        if self.opening and self.opening.gone_at is None and has_lapsed(self.opening, now):
            gone_at = self.opening.seen_at + timedelta(seconds=report_lapse_seconds())
            self.opening = replace(self.opening, gone_at=gone_at)
            self._close(GoneReason.LAPSED, gone_at)

    def _add_days(self, days: Iterable[str], now: Opening) -> None:
        """Open days that are not; they take the place of an unknown one."""
        if unknown := self.slots.pop(_OPEN, None):
            its = SlotRow.id == unknown
            _update_open(self.session, its, gone_at=now.seen_at, gone_reason=GoneReason.SUPERSEDED)
        self.slots |= self._write_slots(days, now)

    def _close(self, reason: GoneReason, at: datetime) -> None:
        _update_open(self.session, SlotRow.desk_id == self.desk.id, gone_at=at, gone_reason=reason)

    def _write_slots(
        self, moments: Iterable[str], now: Opening, returns: timedelta = timedelta(0)
    ) -> dict[str, int]:
        shown = [
            {
                "desk_id": self.desk.id, "place_key": _PLACE, "moment": each, "url": self.desk.url, "at": now.seen_at,
                "source": Source.REPORT, "in_doubt": now.in_doubt,
            }
            for each in moments
        ]  # fmt: skip
        ids = write_opened_slots(self.session, shown, returns.total_seconds())
        return {moment: key for (_, _, moment), key in ids.items()}

    def _detect(self, now: Opening, tells: Audience) -> UUID:
        told = {"in_doubt": now.in_doubt, "opening_id": now.id, "is_again": tells is Audience.AGAIN}
        row = describe_detection(self.desk, now.seen_at) | told
        key = UUID(str(row["id"]))
        pairs = [{"detection_id": key, "slot_id": each} for each in self.slots.values()]
        write_detections(self.session, [row], pairs, Source.REPORT)
        self.detections.append(key)
        return key


def _update_open(session: Session, which: sa.ColumnElement[bool], **columns: Any) -> None:
    """Change columns of reported slots that are open."""
    mine = sa.update(SlotRow).where(which, SlotRow.source == Source.REPORT, SlotRow.gone_at.is_(None))
    session.execute(mine.values(**columns).execution_options(synchronize_session=False))
