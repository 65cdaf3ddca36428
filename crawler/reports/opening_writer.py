"""Writer of a desk's opening as people see it: its slots and detections, by the statements that checks use."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import Source
from api.models.report import Report
from api.models.slot import GoneReason, SlotRow
from configs.world.desk import Desk
from crawler.recording.slot_writer import describe_detection, write_detections, write_opened_slots
from crawler.reports.judgement import (
    CONFIRMED_WITHIN,
    RETURNS_WITHIN,
    Action,
    Opening,
    Verdict,
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
    seen = sa.select(Report.opening_id).where(Report.desk_id == desk_id, Report.opening_id.is_not(None))
    opening_id = session.scalar(seen.order_by(Report.seen_at.desc()).limit(1)) if slots else None
    if opening_id is None:
        return None, {}
    gone_at = slots[0].gone_at
    last = [each for each in slots if each.gone_at == gone_at]
    seen_at, in_doubt = max(each.seen_at for each in last), any(each.in_doubt for each in last)
    return Opening(opening_id, seen_at, in_doubt, gone_at), {each.moment: each.id for each in last}


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

    def carry_out(self, verdict: Verdict, at: datetime, days: Collection[str]) -> None:
        """Write what follows a look of that moment; `days`: of the slots that it saw."""
        if verdict.action is Action.END:
            self._close(GoneReason.TAKEN, at)
        elif verdict.action is not Action.NOTHING:
            was_at = self.opening.seen_at if self.opening else at
            self._show(verdict, was_at if verdict.action is Action.REPEAT else max(at, was_at), days)

    def close_lapsed(self, now: datetime) -> None:
        """Close the opening where it was seen too long ago."""
        if self.opening and self.opening.gone_at is None and has_lapsed(self.opening, now):
            self._close(GoneReason.LAPSED, self.opening.seen_at + timedelta(seconds=report_lapse_seconds()))

    def _show(self, verdict: Verdict, at: datetime, days: Collection[str]) -> None:
        """Write that it was seen. What was seen once more is news only by its days, until it is corroborated.

        Of what is sure somebody alone names days only where none are known.
        """
        action, in_doubt = verdict.action, verdict.in_doubt
        if action is Action.REPEAT and not in_doubt and _OPEN not in self.slots:
            return
        if action is Action.OPEN:
            self.slots = self._write_slots(days or [_OPEN], at, in_doubt)
        elif action is Action.RETURN:
            self.slots = self._write_slots(self.slots, at, in_doubt, _LATELY)
        elif self.opening is None or (at, in_doubt) != (self.opening.seen_at, self.opening.in_doubt):
            _update_open(self.session, SlotRow.desk_id == self.desk.id, seen_at=at, in_doubt=in_doubt)
        news = self._add_days(days, at, in_doubt)
        if told := news if action in (Action.CONFIRM, Action.REPEAT) else self.slots.values():
            self._detect(told, at, in_doubt)
        key = self.opening.id if self.opening and action is not Action.OPEN else self.detections[-1]
        self.opening = Opening(key, at, in_doubt)

    def _add_days(self, days: Collection[str], at: datetime, in_doubt: bool) -> Collection[int]:
        """Open days that are not; return the slots that are news: none where one of an unknown day gives place."""
        new = [day for day in days if day not in self.slots]
        if not new:
            return []
        unknown = self.slots.pop(_OPEN, None)
        if unknown:
            _update_open(self.session, SlotRow.id == unknown, gone_at=at, gone_reason=GoneReason.SUPERSEDED)
        added = self._write_slots(new, at, in_doubt)
        self.slots |= added
        return [] if unknown else added.values()

    def _close(self, reason: GoneReason, at: datetime) -> None:
        if self.opening:
            at = max(at, self.opening.seen_at)
            self.opening = replace(self.opening, gone_at=at)
            _update_open(self.session, SlotRow.desk_id == self.desk.id, gone_at=at, gone_reason=reason)

    def _write_slots(
        self, moments: Iterable[str], at: datetime, in_doubt: bool, returns: timedelta = timedelta(0)
    ) -> dict[str, int]:
        shown = [
            {
                "desk_id": self.desk.id, "place_key": _PLACE, "moment": each, "url": self.desk.url, "at": at,
                "source": Source.REPORT, "in_doubt": in_doubt,
            }
            for each in moments
        ]  # fmt: skip
        ids = write_opened_slots(self.session, shown, returns.total_seconds())
        return {moment: key for (_, _, moment), key in ids.items()}

    def _detect(self, slots: Iterable[int], at: datetime, in_doubt: bool) -> None:
        row = describe_detection(self.desk, at) | {"in_doubt": in_doubt}
        key = UUID(str(row["id"]))
        pairs = [{"detection_id": key, "slot_id": each} for each in slots]
        write_detections(self.session, [row], pairs, Source.REPORT)
        self.detections.append(key)


def _update_open(session: Session, which: sa.ColumnElement[bool], **columns: Any) -> None:
    """Change columns of reported slots that are open."""
    mine = sa.update(SlotRow).where(which, SlotRow.source == Source.REPORT, SlotRow.gone_at.is_(None))
    session.execute(mine.values(**columns).execution_options(synchronize_session=False))
