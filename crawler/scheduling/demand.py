"""Demand for desks: the plans of entitled alerts, and the desks whose grants began or ended."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from configs.world.desk import Desk
from configs.world.plan import PlanName, plan

# Entitled means that a grant covers the moment: computed, never a flag.
_ENTITLED = sa.text("""
SELECT t.desk_id, t.prefecture_id, t.procedure, array_agg(DISTINCT g.plan) AS plans
FROM alert_targets t
JOIN alerts a ON a.id = t.alert_id AND a.enabled AND a.closed_at IS NULL
JOIN grants g ON g.user_id = a.user_id AND g.starts_at <= :now AND g.ends_at > :now
WHERE t.desk_id = ANY(:desks) OR t.prefecture_id = ANY(:prefectures)
GROUP BY t.desk_id, t.prefecture_id, t.procedure
""")
_TURNED = sa.text("""
SELECT DISTINCT t.desk_id, t.prefecture_id, t.procedure
FROM grants g
JOIN alerts a ON a.user_id = g.user_id AND a.enabled AND a.closed_at IS NULL
JOIN alert_targets t ON t.alert_id = a.id
WHERE (g.starts_at > :since AND g.starts_at <= :now) OR (g.ends_at > :since AND g.ends_at <= :now)
""")
Target = tuple[str | None, str | None, str | None]


def promised_intervals(session: Session, desks: Collection[Desk], now: datetime) -> dict[str, list[float]]:
    """Return, by desk, the seconds that the plans of its entitled alerts promise; no entry without such an alert."""
    prefectures = sorted({desk.prefecture_id for desk in desks})
    rows = session.execute(
        _ENTITLED, {"now": now, "desks": [desk.id for desk in desks], "prefectures": prefectures}
    )
    wanted = {(row.desk_id, row.prefecture_id, row.procedure): row.plans for row in rows}
    found = {}
    for desk in desks:
        names = {name for target in targets_of(desk) for name in wanted.get(target, ())}
        if promised := [seconds for name in names if (seconds := plan(PlanName(name)).interval_seconds)]:
            found[desk.id] = [float(seconds) for seconds in promised]
    return found


def desks_with_changed_grants(
    session: Session, desks: Iterable[Desk], since: datetime, now: datetime
) -> set[str]:
    """Return the desks that somebody's grant began or ended for, after `since` and until `now`."""
    rows = session.execute(_TURNED, {"since": since, "now": now})
    targets = {(row.desk_id, row.prefecture_id, row.procedure) for row in rows}
    return {desk.id for desk in desks if targets and not targets.isdisjoint(targets_of(desk))}


def targets_of(desk: Desk) -> list[Target]:
    """Return every target that means this desk."""
    by_procedure: list[Target] = [(None, desk.prefecture_id, each.value) for each in sorted(desk.procedures)]
    return [(desk.id, None, None), *by_procedure]


def by_host(desks: Iterable[Desk]) -> dict[str, list[Desk]]:
    """Return desks by the host whose budget they share."""
    found: dict[str, list[Desk]] = defaultdict(list)
    for desk in desks:
        found[desk.host].append(desk)
    return found
