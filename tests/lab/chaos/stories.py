"""Longer faults: half of the sites hang, which is measured; texts without measure, a dozen slots, a clock that steps."""

import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import sqlalchemy as sa

from api.models.check import Check
from api.models.user import Channel
from configs.ground.clock import clock
from tests.lab.chaos.field import Fault, Field
from tests.lab.chaos.journal import Spell
from tests.lab.chaos.outside import code_of, plannings_of

OFFSET_FILE = "CLOCK_OFFSET_FILE"
SLOW = 2.5  # seconds that each message takes while a provider hangs: within the time-out
TRANSACTION = "longest transaction while sites and a provider hang, s"
INTERVAL = "median interval of the other desks meanwhile, s"
_PATIENCE = 120.0  # seconds; a busy machine tells late
_LOOK = 0.02  # seconds between two looks
_OLDEST = sa.text("""
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'
""")


@contextmanager
def watched(engine: sa.Engine, query: sa.TextClause) -> Iterator[list[float]]:
    """Collect what a query of one number says, at each look while the block lasts."""
    values: list[float] = []
    over = threading.Event()

    def watch() -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not over.wait(_LOOK):
                values.append(float(connection.execute(query).scalar_one()))

    thread = threading.Thread(target=watch, name="watched", daemon=True)
    thread.start()
    try:
        yield values
    finally:
        over.set()
        thread.join()


def _hang_half_of_the_sites(field: Field, _spell: Spell) -> None:
    """Half of the sites and a provider hang: other desks keep their intervals, no transaction lasts as long."""
    codes = sorted({code_of(desk) for desk in field.desks})
    hung = set(field.rng.sample(codes, len(codes) // 2))
    others = [desk for desk in field.desks if code_of(desk) not in hung]
    began = clock()
    with (
        field.outside.sites_in(hung, "hang_forever"),
        field.outside.provider_in(Channel.EMAIL.value, "slow", seconds=SLOW),
        watched(field.engine, _OLDEST) as ages,
    ):
        field.outside.open(field.rng.choice(others), field.rng)
        time.sleep(8)  # two deadlines of a check
    field.journal.measured(TRANSACTION, max(ages, default=0.0))
    field.journal.measured(INTERVAL, _measure_interval(field, [desk.id for desk in others], began))


def _measure_interval(field: Field, desk_ids: Sequence[str], since: datetime) -> float:
    """Return the median time between two checks of the same desk, in seconds."""
    query = sa.select(Check.desk_id, Check.started_at).where(Check.desk_id.in_(desk_ids))
    with field.engine.connect() as connection:
        rows = connection.execute(
            query.where(Check.started_at >= since).order_by(Check.desk_id, Check.started_at)
        ).all()
    gaps = [
        (b.started_at - a.started_at).total_seconds() for a, b in pairwise(rows) if a.desk_id == b.desk_id
    ]
    return statistics.median(gaps) if gaps else _PATIENCE


def _show_huge_texts(field: Field, _spell: Spell) -> None:
    """A place with a key of 6 kB, a label of 100 kB and an hour of 6,000 digits opens; other alerts arrive as usual."""
    with field.reserved_desk() as desk:
        with field.outside.form_in(desk, "huge"):
            opening = field.outside.open(desk, field.rng, plannings_of(desk)[-1], noted=False)
            time.sleep(8)  # some checks of the desk
            field.outside.take(desk, opening)
        field.outside.open(desk, field.rng, plannings_of(desk)[0])


def _open_many_slots(field: Field, _spell: Spell) -> None:
    """One desk opens a dozen slots and more within seconds, one after the other."""
    desk = field.quiet_desk()
    for _ in range(field.rng.randint(12, 20)):
        field.outside.open(desk, field.rng)
        time.sleep(0.25)


def _step_clock(field: Field, spell: Spell) -> None:
    """Every program finds its clock a day ahead or back; a slot opens in that time, another when it is right again."""
    offset = timedelta(
        days=field.rng.choice((1, -1))
    )  # more than a run lasts: a stepped instant is known as such
    file = Path(os.environ[OFFSET_FILE])
    part = file.with_suffix(".part")
    part.write_text(str(offset.total_seconds()), "utf-8")
    part.replace(file)  # a program never reads half of it
    try:
        spell.clock_offset = offset
        field.open_news()
        time.sleep(6)
    finally:
        file.unlink()
    field.open_news()


STORIES = (
    Fault("half-of-the-sites-and-a-provider-hang", _hang_half_of_the_sites, alone=True),
    Fault("show-huge-texts", _show_huge_texts, "sites"),
    Fault("open-many-slots", _open_many_slots, weight=2),
    Fault("step-clock", _step_clock, "clock", alone=True, weight=2),
)
