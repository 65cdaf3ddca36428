"""Retention of reports: the person of an old one, and trust that lapsed, are forgotten."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.models.report import TRUST_LASTS, Report, Vouch
from configs.ground.clock import clock

PARTED_AFTER = timedelta(days=7)


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
