"""Reports: who may give one, its limits, its row and the nudge of the loop that reads it (crawler/reports)."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session, aliased

from api.accounts.queries import ensure_not_suspended, has_confirmed_mailbox
from api.ground.errors import ApiError, invalid, not_found
from api.ground.limit_counters import hit_limit
from api.ground.network_hashes import group_reporting_network, hash_networks
from api.ground.schemas import Answer, Body, FieldError
from api.models.answer import AnswerValue
from api.models.base import do_after_commit, is_any_of
from api.models.notification import Match, Notification
from api.models.organisation import Beneficiary, Member
from api.models.payment import Payment
from api.models.report import (
    ANSWER_TIME,
    LOOK_REQUESTED,
    MOST_DAYS,
    READING_TIME,
    REPORTER_AGE,
    TRUST_LASTS,
    PageOpening,
    Report,
    Reporter,
    ReportKind,
    ReportVia,
    Vouch,
    ask_read_reports,
)
from api.models.slot import Detection
from api.models.user import User
from api.models.watchability import Hindrance, read_standings
from configs.ground.clock import clock
from configs.world.desk import Desk
from configs.world.prefecture import desks

PARTED_AFTER = timedelta(days=7)
PERSON = "30 per 10 minutes"  # reports of one person
PERSON_AT_DESK = "10 per 10 minutes"  # the same at one desk
DESK = "600 per minute"  # reports of one desk, by everybody
NETWORK = "120 per 10 minutes"  # from one /24 or /56
OPENINGS = "60 per 10 minutes"  # of pages by one person
_YEAR = timedelta(days=366)
_LOOKS = {
    AnswerValue.FOUND: ReportKind.SLOTS,
    AnswerValue.TOO_LATE: ReportKind.NONE,
    AnswerValue.NOTHING_THERE: ReportKind.NONE,
}


def part_reports(session: Session) -> int:
    """Part old reports from their persons, and what vouched from its openings; return how many reports."""
    old = clock() - PARTED_AFTER
    openings = sa.update(Vouch).where(Vouch.vouched_on < old.date(), Vouch.opening_id.is_not(None))
    session.execute(openings.values(opening_id=None))
    whose = sa.update(Report).where(Report.seen_at < old, Report.user_id.is_not(None))
    parted = whose.values(user_id=None, networks=[]).returning(Report.id)
    return len(session.scalars(parted).all())


def drop_lapsed_trust(session: Session) -> int:
    """Forget the looks of people none of whose looks gave trust for TRUST_LASTS; return how many."""
    last = (clock() - TRUST_LASTS).date()
    later = aliased(Vouch)
    alive = sa.exists().where(later.user_id == Vouch.user_id, later.vouched_on >= last)
    dropped = sa.delete(Vouch).where(Vouch.vouched_on < last, ~alive).returning(Vouch.id)
    return len(session.scalars(dropped).all())


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


def note_opening(session: Session, user_id: UUID, desk_id: str, address: str | None = None) -> Desk:
    """Note that a person opens a desk's page now; return the desk, whose `url` is the redirect's.

    `address`: the network's, which a report in a chat has from here.

    Raises:
        ApiError: as `take_report`, but for days and the limits by desk and network.
    """
    _check_reporter(session, user_id)
    desk = _find_desk(session, desk_id)
    hit_limit(OPENINGS, "openings", str(user_id))
    networks = _hash_networks(session, user_id, address)
    session.add(PageOpening(user_id=user_id, desk_id=desk_id, opened_at=clock(), networks=networks))
    return desk


def take_report(
    session: Session, user_id: UUID, given: NewReport, via: ReportVia, address: str | None
) -> Report:
    """Write what a person saw just now, and nudge the loop that reads it after the commit; `address`: the network's.

    Raises:
        ApiError: 403 address-unconfirmed, account-too-new, account-suspended, reporting-ended; 404, no such desk; 409
            desk-not-reported, nobody may look at it by us; 422, days that are over or too far; 429, too many reports of
            this person, desk or network.
    """
    _check_reporter(session, user_id)
    desk = _find_desk(session, given.desk_id)
    _check_days(desk, given, clock())
    _count_report(user_id, desk, address)
    return _write_report(session, user_id, given, via, _hash_networks(session, user_id, address))


def take_answers(session: Session, user_id: UUID, match_ids: Sequence[UUID], value: AnswerValue) -> None:
    """Write an answer to messages of the last ANSWER_TIME as looks at their desks, where people report.

    That an appointment was found corroborates what is open, and opens nothing.
    """
    kind, now = _LOOKS.get(value), clock()
    if kind is None:
        return
    told = (
        sa.select(Detection.desk_id)
        .join(Match, Match.detection_id == Detection.id)
        .join(Notification, Notification.announcement_id == Match.announcement_id)
        .where(is_any_of(Match.id, match_ids), Notification.accepted_at > now - ANSWER_TIME)
    )
    for desk_id in session.scalars(told.distinct()).all():
        given = NewReport.model_validate({"deskId": desk_id, "kind": kind})
        with suppress(ApiError):
            _check_reporter(session, user_id)
            if not _find_desk(session, desk_id).shows_slots:
                _write_report(session, user_id, given, ReportVia.ANSWER, [])


def _hash_networks(session: Session, user_id: UUID, address: str | None) -> list[bytes]:
    if address is None:
        return []
    names = sa.select(Payment.client_name).where(Payment.user_id == user_id, Payment.client_name.is_not(None))
    payers = [name for name in session.scalars(names.distinct()) if name]
    # An organisation with its members and people is one witness.
    houses = sa.union(
        sa.select(Member.organisation_id).where(Member.user_id == user_id),
        sa.select(Beneficiary.organisation_id).where(Beneficiary.user_id == user_id),
    )
    payers += [f"organisation {each}" for each in session.scalars(houses)]
    return hash_networks(session, address, clock(), payers)


def _write_report(
    session: Session, user_id: UUID, given: NewReport, via: ReportVia, networks: list[bytes]
) -> Report:
    """Write the row; a report without a network has that of its person's last opening."""
    now = clock()
    lately = sa.select(PageOpening.networks).where(
        PageOpening.user_id == user_id, PageOpening.desk_id == given.desk_id,
        PageOpening.opened_at > now - READING_TIME[1], sa.func.cardinality(PageOpening.networks) > 0,
    )  # fmt: skip
    networks = networks or session.scalar(lately.order_by(PageOpening.opened_at.desc()).limit(1)) or []
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
    ensure_not_suspended(session, user_id)
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
    asked = sa.select(sa.func.max(Notification.accepted_at)).where(
        Notification.user_id == user_id, Notification.accepted_at.between(first, last),
        Notification.kind == LOOK_REQUESTED, Notification.params["desk_id"].astext == desk_id,
    )  # fmt: skip
    found = (each.scalar_subquery() for each in (opened, told, asked))
    return session.scalar(sa.select(sa.func.greatest(*found)))
