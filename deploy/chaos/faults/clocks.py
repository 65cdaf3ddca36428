"""The programs' clock is set ahead or back by a day, and right again; the machine's stays as it is."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell

OFFSET_FILE = "CLOCK_OFFSET_FILE"
_DAYS = (1, -1)  # more than a run lasts, so that a stepped instant is known as such
_WHILE = 6.0  # seconds


@fault("clock", alone=True, weight=2)
def step_clock(field: Field, spell: Spell) -> None:
    """Every program finds its clock a day ahead or back; a slot opens in that time, another when it is right again."""
    offset = timedelta(days=field.rng.choice(_DAYS))
    with stepped_clock(Path(os.environ[OFFSET_FILE]), offset):
        spell.clock_offset = offset
        field.outside.open(field.quiet_desk(), field.rng)
        time.sleep(_WHILE)
    field.outside.open(field.quiet_desk(), field.rng)


@contextmanager
def stepped_clock(file: Path, offset: timedelta) -> Iterator[None]:
    """Write the offset where the programs read it, while the block lasts."""
    part = file.with_suffix(".part")
    part.write_text(str(offset.total_seconds()), "utf-8")
    part.replace(file)  # a program never reads half of it
    try:
        yield
    finally:
        file.unlink()
