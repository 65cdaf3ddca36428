"""Reports: who may give one, its limits, its row and the nudge of the loop that reads it (crawler/reports)."""

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.accounts.queries import has_confirmed_mailbox
from api.ground.errors import ApiError, invalid, not_found
from api.ground.limit_counters import hit_limit
from api.ground.schemas import Answer, Body, FieldError
from api.models.base import do_after_commit
from api.models.notification import Match, Notification
from api.models.report import (
    MOST_DAYS,
    READING_TIME,
    REPORTER_AGE,
    PageOpening,
    Report,
    Reporter,
    ReportKind,
    ReportVia,
)
from api.models.slot import Detection
from api.models.user import User
from api.models.watchability import Hindrance, read_standings
from api.reports.networks import group_reporting_network, hash_networks
from configs.ground.clock import clock
from configs.programs.report_nudges import ask_read_reports
from configs.world.desk import Desk
from configs.world.prefecture import desks

PERSON = "30 per 10 minutes"  # reports of one person
PERSON_AT_DESK = "10 per 10 minutes"  # the same at one desk
DESK = "600 per minute"  # reports of one desk, by everybody
NETWORK = "120 per 10 minutes"  # from one /24 or /56
OPENINGS = "60 per 10 minutes"  # of pages by one person
_YEAR = timedelta(days=366)


class NewReport(Body):
    """What a person saw of a desk's page just now; `days`: of the slots, where the page names some."""

    desk_id: Annotated[str, Field(max_length=200, examples=["nanterre_92/titre-sejour-retrait"])]
    kind: ReportKind
    days: Annotated[list[date], Field(max_length=MOST_DAYS, default_factory=list)]


class ReportAnswer(Answer):
    """The report that is stored; `counts`: whether it may close or open anything.

    A `none` counts 10 seconds to 15 minutes after its person opened the page by our address, or got a message about it.
    """

    id: UUID
    seen_at: datetime
    counts: bool


def note_opening(session: Session, user_id: UUID, desk_id: str) -> Desk:
    """Note that a person opens a desk's page now; return the desk, whose `url` is the redirect's.

    Raises:
        ApiError: as `take_report`, but for days and the limits by desk and network.
    """
    _check_reporter(session, user_id)
    desk = _find_desk(session, desk_id)
    hit_limit(OPENINGS, "openings", str(user_id))
    session.add(PageOpening(user_id=user_id, desk_id=desk_id, opened_at=clock()))
    return desk


def take_report(
    session: Session, user_id: UUID, given: NewReport, via: ReportVia, address: str | None
) -> Report:
    """Write what a person saw just now, and nudge the loop that reads it after the commit; `address`: the network's.

    Raises:
        ApiError: 403 address-unconfirmed, account-too-new, reporting-ended; 404, no such desk; 409 desk-not-reported,
            nobody may look at it by us; 422, days that are over or too far; 429, too many reports of this person, desk
            or network.
    """
    _check_reporter(session, user_id)
    desk, now = _find_desk(session, given.desk_id), clock()
    _check_days(desk, given, now)
    _count_report(user_id, desk, address)
    networks = hash_networks(session, address, now) if address else []
    made = Report(
        user_id=user_id, desk_id=given.desk_id, kind=given.kind, via=via, seen_at=now, networks=networks,
        days=sorted(set(given.days)) if given.kind is ReportKind.SLOTS else [],
        opened_at=_find_opening(session, user_id, given.desk_id, now),
    )  # fmt: skip
    session.add(made)
    session.flush()
    do_after_commit(session, ask_read_reports)
    return made


def counts_for_something(report: Report) -> bool:
    """Return whether a report may open or end anything, by itself or beside others."""
    is_reading = report.kind is ReportKind.NONE and report.opened_at is not None
    return report.kind is ReportKind.SLOTS or is_reading


def _check_reporter(session: Session, user_id: UUID) -> None:
    """Refuse who may not report."""
    created_at = session.scalars(sa.select(User.created_at).where(User.id == user_id)).one()
    reporter = session.get(Reporter, user_id)
    if not has_confirmed_mailbox(session, user_id):
        raise ApiError(403, "address-unconfirmed", "confirm your address first, by the mail that we sent")
    if reporter and reporter.ended_at:
        detail = f"an operator has ended your reports: {reporter.ended_because}; write to support to object"
        raise ApiError(403, "reporting-ended", detail)
    if clock() - created_at < REPORTER_AGE:
        begins = created_at + REPORTER_AGE
        detail = f"accounts report from a day after their beginning on: yours from {begins:%Y-%m-%dT%H:%MZ}"
        raise ApiError(403, "account-too-new", detail, available_from=begins)


def _find_desk(session: Session, desk_id: str) -> Desk:
    """Return a desk whose page people may look at: one that a check sees too, or that people watch."""
    desk = desks().get(desk_id)
    if desk is None:
        raise not_found("desk: GET /api/prefectures lists them")
    standing = read_standings(session, [desk])[desk_id]
    is_checked = desk.shows_slots and standing.hindrance is not Hindrance.STOPPED
    if not is_checked and not standing.is_reported:
        raise ApiError(409, "desk-not-reported", "nobody is asked to look at this desk's page now")
    return desk


def _check_days(desk: Desk, given: NewReport, now: datetime) -> None:
    today = now.astimezone(desk.zone).date()
    if any(not today <= day <= today + _YEAR for day in given.days):
        detail = "name days of slots from today on, within a year"
        raise invalid(FieldError(path="days", rule="out_of_range", detail=detail))


def _count_report(user_id: UUID, desk: Desk, address: str | None) -> None:
    """Count a report; of a person, of a person at a desk, of a network, of a desk, in this order."""
    hit_limit(PERSON, "reports", str(user_id))
    hit_limit(PERSON_AT_DESK, "reports", str(user_id), desk.id)
    if address:
        hit_limit(NETWORK, "reports-network", group_reporting_network(address))
    hit_limit(DESK, "reports-desk", desk.id)


def _find_opening(session: Session, user_id: UUID, desk_id: str, now: datetime) -> datetime | None:
    """Return when the person opened the desk's page, or got a message about it, READING_TIME ago; None: neither."""
    last, first = (now - each for each in READING_TIME)
    opened = sa.select(sa.func.max(PageOpening.opened_at)).where(
        PageOpening.user_id == user_id, PageOpening.desk_id == desk_id,
        PageOpening.opened_at.between(first, last),
    )  # fmt: skip
    told = (
        sa.select(sa.func.max(Notification.accepted_at))
        .join(Match, Match.announcement_id == Notification.announcement_id)
        .join(Detection, Detection.id == Match.detection_id)
        .where(Notification.user_id == user_id, Notification.accepted_at.between(first, last))
        .where(Detection.desk_id == desk_id)
    )
    return session.scalar(sa.select(sa.func.greatest(opened.scalar_subquery(), told.scalar_subquery())))
