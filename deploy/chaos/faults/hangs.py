"""Faults in which half of the sites and providers hang: nothing else may slow down, no connection may be held."""

import statistics
import time
from datetime import datetime
from itertools import pairwise

import sqlalchemy as sa

from api.models.check import Check
from api.models.user import Channel
from configs.clock import clock
from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell
from deploy.chaos.sandbox_control import code_of

_WHILE = 8.0  # seconds: two deadlines of a check
SLOW = 2.5  # seconds that each message takes: within the time-out
_OLDEST = sa.text("""
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'
""")
TRANSACTION = "longest transaction while sites and a provider hang, s"
INTERVAL = "median interval of the other desks meanwhile, s"


@fault(alone=True)
def half_of_the_sites_and_a_provider_hang(field: Field, _spell: Spell) -> None:
    """Other desks keep their intervals; no transaction lasts as long as somebody's silence."""
    codes = sorted({code_of(desk) for desk in field.desks})
    hung = set(field.rng.sample(codes, len(codes) // 2))
    others = [desk for desk in field.desks if code_of(desk) not in hung]
    began = clock()
    with (
        field.outside.sites_in(hung, "hang_forever"),
        field.outside.provider_in(Channel.EMAIL.value, "slow", seconds=SLOW),
    ):
        field.outside.open(field.rng.choice(others), field.rng)
        field.journal.measured(TRANSACTION, _oldest_transaction(field))
    field.journal.measured(INTERVAL, _interval(field, [desk.id for desk in others], began))


def _oldest_transaction(field: Field) -> float:
    """Watch the connections that are busy, and return the greatest age of what they are at, in seconds."""
    oldest, end = 0.0, time.monotonic() + _WHILE
    with field.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while time.monotonic() < end:
            oldest = max(oldest, float(connection.execute(_OLDEST).scalar_one()))
            time.sleep(0.05)
    return oldest


def _interval(field: Field, desk_ids: list[str], since: datetime) -> float:
    """Return the median time between two checks of the same desk, in seconds."""
    query = (
        sa.select(Check.desk_id, Check.started_at)
        .where(Check.desk_id.in_(desk_ids), Check.started_at >= since)
        .order_by(Check.desk_id, Check.started_at)
    )
    with field.engine.connect() as connection:
        rows = list(connection.execute(query))
    gaps = [
        (b.started_at - a.started_at).total_seconds() for a, b in pairwise(rows) if a.desk_id == b.desk_id
    ]
    return statistics.median(gaps) if gaps else _WHILE
