"""Longer faults, with a measure of their own: half of the sites hang, a long reader, places that go, a clock that steps."""

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
from api.models.slot import SlotRow
from api.models.user import Channel
from configs.clock import clock
from tests.lab.chaos.field import Fault, Field, seconds_until
from tests.lab.chaos.journal import OpenedSlot, Spell
from tests.lab.chaos.outside import code_of, plannings_of
from tests.lab.chaos.periods import PERIODS
from tests.lab.chaos.processes import until
from tests.lab.chaos.subscribers import entitled

OFFSET_FILE = "CLOCK_OFFSET_FILE"
SLOW = 2.5  # seconds that each message takes while a provider hangs: within the time-out
TRANSACTION = "longest transaction while sites and a provider hang, s"
INTERVAL = "median interval of the other desks meanwhile, s"
WAITED = "longest that a check waited for a lock while checks was read and a day made, s"
OUTLIVED = "longest that a slot outlived its place, s"
LIMITS = {  # seconds; a check of the desk and a start of a program included
    WAITED: 1.0,
    OUTLIVED: 2 * float(PERIODS["LAPSE_SECONDS"]) + 20,
}
_PATIENCE = 120.0  # seconds; a busy machine tells late
_LOOK = 0.02  # seconds between two looks
_OLDEST = sa.text("""
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'
""")
_NEWEST_DAY = sa.text(
    "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'checks'::regclass"
)
_WAITING = sa.text("""
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0) FROM pg_locks
WHERE NOT granted AND (relation = 'checks'::regclass
  OR relation IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'checks'::regclass))
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


def _read_checks_for_long(field: Field, _spell: Spell) -> None:
    """A transaction reads `checks`, as a nightly dump does, while its newest day is missing and a job makes it."""
    day = str(field.read(_NEWEST_DAY))
    until(lambda: _drop(field.engine, day), f"{day} is dropped")
    with field.engine.connect() as reader, watched(field.engine, _WAITING) as waits:
        reader.execute(sa.text("SELECT count(*) FROM checks"))
        field.open_news()
        seconds_until(lambda: field.read(_NEWEST_DAY) == day, 12)
        time.sleep(1)  # what was held up meanwhile is seen
    field.journal.measured(WAITED, max(waits, default=0.0))
    until(lambda: field.read(_NEWEST_DAY) == day, f"the job has made {day} again", _PATIENCE)


def _drop(engine: sa.Engine, day: str) -> bool:
    """Drop a partition of a day to come, whose lock may not be had at once: a check waits 0.1 s for it at most."""
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL lock_timeout = 100"))
            connection.execute(sa.text(f"DROP TABLE {day}"))
    except sa.exc.OperationalError:
        return False
    return True


def _remove_place(field: Field, _spell: Spell) -> None:
    """A place that was told leaves its form for longer than its slot may stay open, then returns with the slot."""
    with field.reserved_desk() as desk:
        planning = plannings_of(desk)[-1]
        opening = field.outside.open(desk, field.rng, planning)
        until(lambda: field.reached_by(opening) >= entitled(desk.id), "everybody is told", _PATIENCE)
        with field.outside.form_in(desk, "planning_gone", planning=planning):
            gone = seconds_until(lambda: not _is_open(field, opening), LIMITS[OUTLIVED])
            field.journal.measured(OUTLIVED, gone)
        returned = seconds_until(lambda: _is_open(field, opening), _PATIENCE)
        field.journal.measured("longest until a place that returned had its slot again, s", returned)


def _is_open(field: Field, opening: OpenedSlot) -> bool:
    desk, instant = opening.slot
    query = sa.select(SlotRow.id).where(SlotRow.desk_id == desk, SlotRow.starts_at == instant)
    return field.read(query.where(SlotRow.gone_at.is_(None))) is not None


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
    Fault("read-checks-for-long", _read_checks_for_long, alone=True),
    Fault("remove-place", _remove_place, "sites", alone=True),
    Fault("show-huge-texts", _show_huge_texts, "sites"),
    Fault("open-many-slots", _open_many_slots, weight=2),
    Fault("step-clock", _step_clock, "clock", alone=True, weight=2),
)
