"""Desks that their host's robots.txt forbids: nothing new begins there, and what was paid for ends in order.

A prohibition counts from the day on which it was read first, unless an operator's `allowed` is of a later day. Probes
and checks that nobody pays for stop at once. A desk that somebody has paid for is asked for two days at most; then it
counts as a page that the prefecture closed, with its notice and its refund (docs/operations.md).
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import DeskState, DeskStatus, OutageReason, is_forbidden
from configs.world.desk import Outcome
from configs.world.prefecture import desks
from crawler.incidents import backoff
from crawler.incidents.backoff import OutageChange
from crawler.scheduling.planning import promised_intervals

_GRACE = timedelta(hours=47)  # all desks are planned once an hour
REASON = "the site's robots.txt forbids us its page"


class BannedDesks(NamedTuple):
    """Ids of forbidden desks: all, those of them that are not watched, and those that count as closed."""

    every: frozenset[str] = frozenset()
    unwatched: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()


def find_banned(rows: Session) -> dict[str, datetime]:
    """Return the desks that robots.txt forbids, as far as that counts, with the instant since when."""
    known = sa.select(DeskState.id, DeskState.forbidden_at).where(DeskState.forbidden_at.is_not(None))
    return {
        desk_id: at
        for desk_id, at in rows.execute(known)
        if at and desk_id in desks() and is_forbidden(desks()[desk_id], at)
    }


def apply(rows: Session, now: datetime) -> BannedDesks:
    """Take forbidden desks out of watch, or close them; return them."""
    banned = find_banned(rows)
    here = {each: desk for each in sorted(banned) if (desk := desks()[each]).schedulable}
    if not here:
        return BannedDesks(frozenset(banned))
    paid = promised_intervals(rows, here.values(), now).keys()
    closed = frozenset(each for each in paid if now - banned[each] >= _GRACE)
    _show(rows, here.keys() - paid, {"status": DeskStatus.PAUSED})
    _show(rows, closed, {"status": DeskStatus.ERROR, "last_outcome": Outcome.CLOSED})
    backoff.write_outages(rows, [OutageChange(each, now, OutageReason.CLOSED) for each in sorted(closed)])
    return BannedDesks(frozenset(banned), frozenset(here.keys() - paid | closed), closed)


def _show(rows: Session, ids: Collection[str], values: dict[str, Any]) -> None:
    changed = sa.or_(DeskState.status != values["status"], DeskState.status_reason != REASON)
    shown = sa.update(DeskState).where(DeskState.id.in_(sorted(ids)), changed)
    rows.execute(shown.values(status_reason=REASON, **values))
