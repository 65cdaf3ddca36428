"""Pages that change their form: a place leaves and returns, texts of absurd length, many hours at once."""

import time
from collections.abc import Callable

import sqlalchemy as sa

from api.models.slot import SlotRow
from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import OpenedSlot, Spell
from deploy.chaos.periods import PERIODS
from deploy.chaos.processes import until
from deploy.chaos.sandbox_control import plannings_of
from deploy.chaos.subscribers import entitled

OUTLIVED = "longest that a slot outlived its place, s"
LONGEST_STAY = 2 * float(PERIODS["LAPSE_SECONDS"]) + 20
RETURNED = "longest until a place that returned had its slot again, s"
_PATIENCE = 90.0  # seconds
_HUGE_FOR = 8.0  # seconds: some checks of the desk
_MANY = (12, 20)
_BETWEEN = 0.25  # seconds


@fault("sites", alone=True)
def remove_place(field: Field, _spell: Spell) -> None:
    """A place that was told leaves its form for longer than its slot may stay open, then returns with the slot."""
    with field.reserved_desk() as desk:
        planning = plannings_of(desk)[-1]
        opening = field.outside.open(desk, field.rng, planning)
        until(lambda: field.reached_by(opening) >= entitled(desk.id), "everybody is told", _PATIENCE)
        with field.outside.form_in(desk, "planning_gone", planning=planning):
            gone = seconds_until(lambda: not is_open(field.engine, opening), LONGEST_STAY)
            field.journal.measured(OUTLIVED, gone)
        field.journal.measured(RETURNED, seconds_until(lambda: is_open(field.engine, opening), _PATIENCE))


@fault("sites")
def show_huge_texts(field: Field, _spell: Spell) -> None:
    """A place with a key of 6 kB, a label of 100 kB and an hour of 6,000 digits opens; other alerts arrive as usual."""
    with field.reserved_desk() as desk:
        with field.outside.form_in(desk, "huge"):
            opening = field.outside.open(desk, field.rng, plannings_of(desk)[-1], noted=False)
            time.sleep(_HUGE_FOR)
            field.outside.take(desk, opening)
        field.outside.open(desk, field.rng, plannings_of(desk)[0])


@fault(weight=2)
def open_many_slots(field: Field, _spell: Spell) -> None:
    """One desk opens a dozen slots and more within seconds, one after the other."""
    desk = field.quiet_desk()
    for _ in range(field.rng.randint(*_MANY)):
        field.outside.open(desk, field.rng)
        time.sleep(_BETWEEN)


def is_open(engine: sa.Engine, opening: OpenedSlot) -> bool:
    """Whether the tables hold the slot as open."""
    query = sa.select(SlotRow.id).where(
        SlotRow.desk_id == opening.desk_id, SlotRow.starts_at == opening.instant, SlotRow.gone_at.is_(None)
    )
    with engine.connect() as connection:
        return connection.scalars(query).first() is not None


def seconds_until(seen: Callable[[], bool], longest: float) -> float:
    """Return how long it takes until something is seen, `longest` where it takes longer."""
    began = time.monotonic()
    while not seen() and time.monotonic() < began + longest:
        time.sleep(0.1)
    return min(time.monotonic() - began, longest)
