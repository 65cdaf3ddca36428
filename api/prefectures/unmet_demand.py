"""Unmet demand: people whose alerts wait until a desk can be watched, by prefecture and procedure."""

from collections import defaultdict

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert, AlertTarget
from configs.world.desk import Procedure
from configs.world.prefecture import desks

FEW = 10  # people; the public reads no smaller number


def count_unmet(session: Session) -> dict[tuple[str, Procedure], int]:
    """Return how many people wait, by prefecture and procedure, most first."""
    query = (
        sa.select(Alert.user_id, AlertTarget.prefecture_id, AlertTarget.procedure, AlertTarget.desk_id)
        .join(AlertTarget)
        .where(Alert.awaits_watch, Alert.closed_at.is_(None))
    )
    people: dict[tuple[str, Procedure], set[object]] = defaultdict(set)
    for user_id, place, procedure, desk_id in session.execute(query):
        desk = desks().get(desk_id or "")
        for each in [procedure] if procedure else desk.procedures if desk else ():
            people[desk.prefecture_id if desk else place or "", each].add(user_id)
    return dict(sorted(((key, len(who)) for key, who in people.items()), key=lambda pair: -pair[1]))


def round_for_public(session: Session, prefecture_id: str) -> dict[Procedure, int]:
    """Return how many people wait for each procedure of a prefecture, rounded down to tens; nothing below FEW."""
    return {
        procedure: waiting // FEW * FEW
        for (place, procedure), waiting in count_unmet(session).items()
        if place == prefecture_id and waiting >= FEW
    }
