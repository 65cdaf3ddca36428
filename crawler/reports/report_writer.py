"""Writer of what people report: a desk's waiting reports in their order, under its row's lock, as slots and detections.

A report is no check: it writes no row of `checks`, and changes nothing of its desk.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import database_clock, write_rows
from api.models.desk import DeskState, Source
from api.models.report import Report, ReportKind, ReportState, ReportVia
from api.models.slot import GoneReason, SlotRow
from api.models.watchability import read_standings
from configs.world.desk import Desk
from configs.world.prefecture import desks
from crawler.recording.slot_writer import describe_detection, write_detections, write_opened_slots
from crawler.reports.judgement import (
    CONFIRMED_WITHIN,
    RETURNS_WITHIN,
    Action,
    Look,
    Opening,
    Pair,
    Person,
    Verdict,
    has_lapsed,
    judge_look,
    report_lapse_seconds,
)
from crawler.reports.people import read_looks, read_pairs, read_people

_PLACE = "people"  # key of the one place of what people see
_OPEN = "open"
_MINE = (SlotRow.source == Source.REPORT,)
_AT_ONCE = 1000  # reports in one transaction
_SETTLE = sa.text("""
UPDATE reports r SET state = n.state, is_trusted = n.is_trusted, corroborates_id = n.corroborates_id,
  opening_id = n.opening_id
FROM json_to_recordset(:rows) AS n(id uuid, state text, is_trusted boolean, corroborates_id uuid, opening_id uuid)
WHERE r.id = n.id
""")
# Of desks that no writer holds.
_LAPSE = sa.text("""
WITH held AS (
  SELECT id FROM desks WHERE id IN (
    SELECT desk_id FROM slots WHERE source = 'report' AND gone_at IS NULL AND seen_at <= :before)
  FOR NO KEY UPDATE SKIP LOCKED)
UPDATE slots s SET gone_at = s.seen_at + make_interval(secs => :lasts), gone_reason = 'lapsed' FROM held
WHERE s.desk_id = held.id AND s.source = 'report' AND s.gone_at IS NULL AND s.seen_at <= :before
RETURNING s.desk_id
""")


def list_waiting_desks(session: Session) -> Sequence[str]:
    """Return the desks of which reports wait, those that wait longest first."""
    waiting = sa.select(Report.desk_id).where(Report.state == ReportState.WAITING).group_by(Report.desk_id)
    return session.scalars(waiting.order_by(sa.func.min(Report.seen_at))).all()


def lapse_reported_slots(session: Session, now: datetime) -> int:
    """Close the slots that no look confirmed for REPORT_LAPSE_SECONDS; return how many."""
    lasts = report_lapse_seconds()
    given = {"before": now - timedelta(seconds=lasts), "lasts": lasts}
    return len(session.execute(_LAPSE, given).all())


def write_reports(session: Session, desk_id: str) -> list[UUID]:
    """Judge a desk's waiting reports and write what follows; return the detections."""
    lock = sa.select(DeskState.id).where(DeskState.id == desk_id).with_for_update(key_share=True)
    is_known = session.scalar(lock) is not None
    mine = sa.select(Report).where(Report.desk_id == desk_id, Report.state == ReportState.WAITING)
    waiting = session.scalars(mine.order_by(Report.seen_at, Report.id).limit(_AT_ONCE)).all()
    desk, now = desks().get(desk_id), database_clock(session)
    if not waiting:
        return []
    if desk is None or not is_known or desk.shows_slots:
        _keep(waiting, ReportState.KEPT)
        return []
    if not read_standings(session, [desk])[desk_id].is_reported:
        _keep(waiting, ReportState.IDLE)
        return []
    return _DeskWriter(session, desk, now).write(waiting)


def _keep(reports: Iterable[Report], state: ReportState) -> None:
    for each in reports:
        each.state = state


@dataclass
class _DeskWriter:
    """What people saw at one desk while its waiting reports are written, one after the other."""

    session: Session
    desk: Desk
    now: datetime
    opening: Opening | None = None
    rows: dict[str, int] = field(default_factory=dict)  # by moment the slots that are open, or were
    detections: list[UUID] = field(default_factory=list)

    def write(self, waiting: Sequence[Report]) -> list[UUID]:
        """Write the reports, their slots and detections."""
        self._read_opening()
        ids = {each.user_id for each in waiting if each.user_id}
        people = read_people(self.session, ids, self.now)
        first = waiting[0].seen_at
        since = min(first - CONFIRMED_WITHIN, self.opening.seen_at if self.opening else first)
        before = {
            (each.person.id, each.saw_slots): each
            for each in read_looks(self.session, self.desk.id, since, self.now)
        }
        pairs = read_pairs(self.session, {*ids, *(person for person, _ in before)}, self.now)
        settled = []
        for report in waiting:
            look = self._read_look(report, people)
            verdict = self._judge(look, before.values(), pairs) if look else Verdict(Action.NOTHING)
            counts = look is not None and not (look.is_answer and verdict.action is Action.NOTHING)
            if look and counts:
                before[look.person.id, look.saw_slots] = look
                self._carry_out(verdict, look.at, [day.isoformat() for day in report.days])
            settled.append(self._settle(report, look, verdict, counts=counts))
        self.session.execute(_SETTLE, {"rows": write_rows(settled)})
        return self.detections

    def _read_opening(self) -> None:
        """Read what is open, or was within the time in which it is the same."""
        lately = self.now - RETURNS_WITHIN - CONFIRMED_WITHIN
        known = (
            sa.select(SlotRow)
            .where(SlotRow.desk_id == self.desk.id, *_MINE)
            .where(
                sa.or_(SlotRow.gone_at.is_(None), SlotRow.gone_at > lately),
                SlotRow.gone_reason.is_distinct_from(GoneReason.SUPERSEDED),
            )
        )
        slots = self.session.scalars(known.order_by(SlotRow.id)).all()
        if not slots:
            return
        is_open = any(each.gone_at is None for each in slots)
        gone_at = None if is_open else max(each.gone_at for each in slots if each.gone_at)
        last = [each for each in slots if each.gone_at == gone_at]
        named = sa.select(Report.opening_id).where(
            Report.desk_id == self.desk.id, Report.opening_id.is_not(None)
        )
        opening_id = self.session.scalar(named.order_by(Report.seen_at.desc()).limit(1))
        if opening_id:
            seen_at, in_doubt = max(each.seen_at for each in last), any(each.in_doubt for each in last)
            self.opening = Opening(opening_id, seen_at, in_doubt, gone_at)
            self.rows = {each.moment: each.id for each in last}

    def _read_look(self, report: Report, people: Mapping[UUID, Person]) -> Look | None:
        """Return what a report says; None where it counts for nothing."""
        person = people.get(report.user_id) if report.user_id else None
        saw_slots = report.kind is ReportKind.SLOTS
        is_reading = report.kind is ReportKind.NONE and report.opened_at is not None
        is_late = self.now - report.seen_at >= timedelta(seconds=report_lapse_seconds())
        if person is None or is_late or not (saw_slots or is_reading):
            return None
        networks = frozenset(map(bytes, report.networks))
        is_answer = report.via is ReportVia.ANSWER
        return Look(report.id, person, min(report.seen_at, self.now), saw_slots, networks, is_answer)

    def _judge(self, look: Look, before: Iterable[Look], pairs: set[Pair]) -> Verdict:
        if self.opening and self.opening.gone_at is None and has_lapsed(self.opening, look.at):
            self._close(GoneReason.LAPSED, self.opening.seen_at + timedelta(seconds=report_lapse_seconds()))
        verdict = judge_look(look, before, self.opening, pairs)
        if verdict.partner:
            pairs.add(Pair((look.person.id, verdict.partner.person.id)))
        return verdict

    def _carry_out(self, verdict: Verdict, at: datetime, days: Sequence[str]) -> None:
        match verdict.action:
            case Action.END:
                self._close(GoneReason.TAKEN, at)
            case Action.OPEN:
                self._open(days or [_OPEN], verdict, at)
            case Action.RETURN:
                self._open([*self.rows], verdict, at, RETURNS_WITHIN + CONFIRMED_WITHIN)
                self._add_days(days, at)
            case Action.CORROBORATE | Action.CONFIRM:
                self._confirm(verdict, at, days)

    def _open(
        self, moments: Sequence[str], verdict: Verdict, at: datetime, returns: timedelta = timedelta(0)
    ) -> None:
        self.rows = self._write_slots(moments, at, in_doubt=verdict.in_doubt, returns=returns)
        found = self._detect(self.rows.values(), at, in_doubt=verdict.in_doubt)
        is_same = self.opening is not None and verdict.action is Action.RETURN
        key = self.opening.id if self.opening and is_same else found
        self.opening = Opening(key, at, verdict.in_doubt)

    def _confirm(self, verdict: Verdict, at: datetime, days: Sequence[str]) -> None:
        """Write that what is open was seen once more; once it is corroborated, a detection tells all."""
        if self.opening is None:
            return
        seen_at = max(at, self.opening.seen_at)
        self.opening = replace(self.opening, seen_at=seen_at, in_doubt=verdict.in_doubt)
        self._update_open(seen_at=seen_at, in_doubt=verdict.in_doubt)
        is_told = verdict.action is Action.CORROBORATE
        added = self._add_days(days, at, tells=not is_told)
        if is_told:
            self._detect((self.rows | added).values(), at, in_doubt=False)

    def _add_days(self, days: Sequence[str], at: datetime, *, tells: bool = True) -> dict[str, int]:
        """Open days that are not; where a slot of an unknown day is open they take its place, and are no news."""
        new = [day for day in days if day not in self.rows]
        if not new or self.opening is None:
            return {}
        in_doubt, were_unknown = self.opening.in_doubt, _OPEN in self.rows
        if were_unknown:
            self._update_open(SlotRow.moment == _OPEN, gone_at=at, gone_reason=GoneReason.SUPERSEDED)
            del self.rows[_OPEN]
        added = self._write_slots(new, at, in_doubt=in_doubt)
        self.rows |= added
        if tells and not were_unknown:
            self._detect(added.values(), at, in_doubt=in_doubt)
        return added

    def _close(self, reason: GoneReason, at: datetime) -> None:
        if self.opening:
            at = max(at, self.opening.seen_at)
            self.opening = replace(self.opening, gone_at=at)
            self._update_open(gone_at=at, gone_reason=reason)

    def _update_open(self, *which: sa.ColumnElement[bool], **columns: Any) -> None:
        mine = sa.update(SlotRow).where(SlotRow.desk_id == self.desk.id, SlotRow.gone_at.is_(None), *_MINE)
        self.session.execute(
            mine.where(*which).values(**columns).execution_options(synchronize_session=False)
        )

    def _write_slots(
        self, moments: Sequence[str], at: datetime, *, in_doubt: bool, returns: timedelta = timedelta(0)
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

    def _detect(self, slots: Iterable[int], at: datetime, *, in_doubt: bool) -> UUID:
        row = describe_detection(self.desk, at) | {"in_doubt": in_doubt}
        key = UUID(str(row["id"]))
        write_detections(
            self.session, [row], [{"detection_id": key, "slot_id": each} for each in slots], Source.REPORT
        )
        self.detections.append(key)
        return key

    def _settle(
        self, report: Report, look: Look | None, verdict: Verdict, *, counts: bool
    ) -> dict[str, object]:
        saw_it = counts and look is not None and look.saw_slots and self.opening is not None
        return {
            "id": report.id,
            "state": ReportState.COUNTED if counts else ReportState.IDLE,
            "is_trusted": bool(look and look.person.is_trusted),
            "corroborates_id": verdict.partner and verdict.partner.id,
            "opening_id": self.opening.id if saw_it and self.opening else None,
        }
