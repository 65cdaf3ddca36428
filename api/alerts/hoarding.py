"""Signs that an account resells appointments: too many desks, or too many reported as found, within 30 days.

The admins get one message a month for each such account, and decide: nothing is blocked. What the API itself refuses,
prefectures at once and alerts kept, stands in api/alerts/service.py.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.admins import write_to_admins
from api.models.alert import Alert, AlertTarget, ClosedBecause
from configs.ground.clock import clock
from configs.settings.constants import Constant
from configs.world.prefecture import prefectures

# How many desks one person may watch within 30 days before the admins get a message; nobody is blocked
_FAIR_USE_DESKS = Constant("FAIR_USE_DESKS", 60)
# How often one person may report an appointment as found within 30 days before the admins get a message
_FAIR_USE_FOUND = 3

WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class HeavyUse:
    """What one account watched and found within the window."""

    user_id: UUID
    desks: int
    found: int


def tell_hoarding(session: Session) -> list[UUID]:
    """Write to the admins about each account beyond fair use; return the notifications to nudge."""
    now = clock()
    told = [
        write_to_admins(
            session,
            "hoarding",
            {"user": str(each.user_id), "desks": each.desks, "found": each.found},
            f"hoarding:{each.user_id}:{now:%Y-%m}",
        )
        for each in find_heavy_use(session, now - WINDOW)
    ]
    return [each for ids in told for each in ids]


def find_heavy_use(session: Session, since: datetime) -> list[HeavyUse]:
    """Return the accounts that watched more desks, or found more appointments, than fair use allows."""
    found, desks = _count_found(session, since), _count_desks(session, since)
    heavy = {user for user, times in found.items() if times > _FAIR_USE_FOUND}
    heavy |= {user for user, number in desks.items() if number > _FAIR_USE_DESKS()}
    return [HeavyUse(each, desks.get(each, 0), found.get(each, 0)) for each in sorted(heavy)]


def _count_found(session: Session, since: datetime) -> dict[UUID, int]:
    query = (
        sa.select(Alert.user_id, sa.func.count())
        .where(Alert.closed_because == ClosedBecause.FOUND, Alert.closed_at > since)
        .group_by(Alert.user_id)
    )
    return dict(session.execute(query).all())


def _count_desks(session: Session, since: datetime) -> dict[UUID, int]:
    """Count the desks of alerts that were open since; targets that an edit replaced are gone, and not counted."""
    desks: defaultdict[UUID, set[str]] = defaultdict(set)
    for user_id, desk_id in _list_targets(session, since):
        desks[user_id].add(desk_id)
    return {user_id: len(found) for user_id, found in desks.items()}


def _list_targets(session: Session, since: datetime) -> Iterator[tuple[UUID, str]]:
    columns = (Alert.user_id, AlertTarget.desk_id, AlertTarget.prefecture_id, AlertTarget.procedure)
    was_open = sa.or_(Alert.closed_at.is_(None), Alert.closed_at > since)
    query = sa.select(*columns).join(AlertTarget.alert).where(was_open).distinct()
    for user_id, desk_id, prefecture_id, procedure in session.execute(query):
        if desk_id is not None:
            yield user_id, desk_id
        elif place := prefectures().get(prefecture_id or ""):
            yield from ((user_id, each.id) for each in place.desks if procedure in each.procedures)
