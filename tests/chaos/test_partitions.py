"""The fault that reads `checks` while a day is made: who waits for a lock is seen, and the day is made again."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from api.models.base import session
from api.models.partitions import make_partitions
from configs.clock import clock
from deploy.chaos.faults import Field
from deploy.chaos.faults.partitions import (
    LONGEST_WAIT,
    WAITED,
    drop_newest_day,
    newest_day,
    read_checks_for_long,
    watched_locks,
)
from deploy.chaos.journal import OpenedSlot, Spell
from tests.waiting import until


def make_days() -> None:
    with session() as rows:
        make_partitions(rows, clock().date())


def test_the_day_is_made_beside_the_reader_and_nobody_waits(field: Field) -> None:
    make_days()
    day = newest_day(field.engine)
    with ThreadPoolExecutor(1) as background:

        def open_slot(*where: Any) -> OpenedSlot:
            background.submit(make_days)
            return field.outside.open(*where)

        outside: Any = SimpleNamespace(open=open_slot, reserved=field.outside.reserved)
        read_checks_for_long(replace(field, outside=outside), Spell("read-checks-for-long", clock()))
    assert newest_day(field.engine) == day
    assert field.journal.figures[WAITED] < LONGEST_WAIT
    assert len(field.journal.openings) == 1


def test_who_waits_for_a_lock_on_checks_is_seen(field: Field) -> None:
    def read() -> None:
        with field.engine.connect() as connection:
            connection.execute(sa.text("SELECT count(*) FROM checks"))

    with watched_locks(field.engine) as waits:
        with field.engine.begin() as connection:
            connection.execute(sa.text("LOCK TABLE checks IN ACCESS EXCLUSIVE MODE"))
            waiting = threading.Thread(target=read)
            waiting.start()
            until(lambda: waits and waits[-1] > 0.2)
        waiting.join()
    assert max(waits) > 0.2


def test_a_day_is_dropped_as_soon_as_nobody_reads_the_table(field: Field) -> None:
    make_days()
    day = newest_day(field.engine)
    with ThreadPoolExecutor(1) as hand:
        with field.engine.begin() as reader:
            reader.execute(sa.text("SELECT count(*) FROM checks"))
            dropped = hand.submit(drop_newest_day, field.engine)
            assert newest_day(field.engine) == day
        assert dropped.result() == day
    assert newest_day(field.engine) < day
