"""Writer of what people report: a desk's waiting reports in their order, judged under its row's lock.

A report is no check: it writes no row of `checks`, and changes nothing of its desk.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import database_clock
from api.models.desk import DeskState
from api.models.looks import Look, Pair, Person
from api.models.report import Report, ReportKind, ReportState, ReportVia
from api.models.watchability import read_standings
from configs.world.desk import Desk
from configs.world.prefecture import desks
from crawler.reports.judgement import (
    CONFIRMED_WITHIN,
    Action,
    judge_look,
    report_lapse_seconds,
)
from crawler.reports.opening_writer import OpeningWriter, read_opening
from crawler.reports.trust import list_counted, read_pairs, read_people, read_told_alone

_AT_ONCE = 1000  # reports in one transaction


def list_waiting_desks(session: Session) -> Sequence[str]:
    """Return the desks of which reports wait, those that wait longest first."""
    waiting = sa.select(Report.desk_id).where(Report.state == ReportState.WAITING).group_by(Report.desk_id)
    return session.scalars(waiting.order_by(sa.func.min(Report.seen_at))).all()


def write_reports(session: Session, desk_id: str) -> list[UUID]:
    """Judge a desk's waiting reports and write what follows; return the detections."""
    lock = sa.select(DeskState.id).where(DeskState.id == desk_id).with_for_update(key_share=True)
    is_known = session.scalar(lock) is not None
    mine = sa.select(Report).where(Report.desk_id == desk_id, Report.state == ReportState.WAITING)
    waiting = session.scalars(mine.order_by(Report.seen_at, Report.id).limit(_AT_ONCE)).all()
    desk = desks().get(desk_id)
    is_kept = desk is None or not is_known or desk.shows_slots
    for each in waiting:
        each.state = ReportState.KEPT if is_kept else ReportState.IDLE
    if desk is None or is_kept or not waiting or not read_standings(session, [desk])[desk_id].is_reported:
        return []
    now = database_clock(session)
    with session.no_autoflush:  # thousands of rows change by one statement at the end, not by one each
        return _judge_reports(session, desk, waiting, now)


def _judge_reports(session: Session, desk: Desk, waiting: Sequence[Report], now: datetime) -> list[UUID]:
    writer = OpeningWriter(session, desk, *read_opening(session, desk.id, now))
    first = waiting[0].seen_at
    since = min(first - CONFIRMED_WITHIN, writer.opening.began_at if writer.opening else first)
    counted = list_counted(session, desk.id, since)
    ids = {each.user_id for each in (*(report for report, _ in counted), *waiting) if each.user_id}
    people, pairs = read_people(session, ids, now), read_pairs(session, ids, now)
    told_alone = read_told_alone(session, desk.id, now)
    before = (_read_look(each, people, now, first_at) for each, first_at in counted)
    looks = {(look.person.id, look.saw_slots): look for look in before if look}
    for report in waiting:
        look = _read_look(report, people, now)
        if look is None or now - look.at >= timedelta(seconds=report_lapse_seconds()):
            continue
        if same := looks.get((look.person.id, look.saw_slots)):
            look = look._replace(since=min(same.first_at, look.at))
        writer.close_lapsed(look.at)
        verdict = judge_look(look, looks.values(), writer.opening, pairs, told_alone)
        if verdict.action is Action.NOTHING and (look.is_answer or not look.person.is_witness):
            continue
        looks[look.person.id, look.saw_slots] = look
        report.detection_id = writer.carry_out(verdict)
        report.state, report.is_trusted = ReportState.COUNTED, look.person.is_trusted
        if look.saw_slots and writer.opening:
            report.opening_id = writer.opening.id
        if verdict.partner:
            pairs.add(Pair((look.person.id, verdict.partner.person.id)))
            report.corroborates_id = verdict.partner.id
    return writer.detections


def _read_look(
    report: Report, people: Mapping[UUID, Person], now: datetime, first_at: datetime | None = None
) -> Look | None:
    """Return what a report says, of now where its clock was ahead; None where it counts for nothing.

    Answers to a message deny nothing: who is late denies each short opening.
    """
    person = people.get(report.user_id) if report.user_id else None
    saw_slots, is_answer = report.kind is ReportKind.SLOTS, report.via is ReportVia.ANSWER
    is_reading = report.kind is ReportKind.NONE and report.opened_at is not None and not is_answer
    if person is None or not (saw_slots or is_reading):
        return None
    days, at = [day.isoformat() for day in report.days], min(report.seen_at, now)
    return Look(report.id, person, at, saw_slots, frozenset(report.networks), is_answer, days, first_at)
