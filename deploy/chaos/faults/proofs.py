"""Faults of proofs: the program dies, the store hangs, refuses or is full. No alert may be delayed by it."""

import time

from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell
from deploy.chaos.processes import until
from deploy.chaos.s3_stub import StoreMode
from deploy.chaos.subscribers import entitled

TOLD = "from an opening to all its messages while the store of proofs hangs, s"
_PATIENCE = 120.0  # seconds; a busy machine tells late
_WHILE = 6.0  # seconds
_NOTICED = (
    4.0  # seconds from a refusal until health has it: the worker's note, the uploader's look, the watch's
)


@fault("proofs", harmless=True, weight=2)
def kill_proofs(field: Field, _spell: Spell) -> None:
    """Who takes proofs to the store dies, or who watches over that."""
    for _ in range(field.rng.randint(1, 2)):
        field.victims.kill("proofs", field.rng)
        time.sleep(field.rng.uniform(0, 0.8))


@fault(alone=True, harmless=True)
def store_of_proofs_hangs(field: Field, _spell: Spell) -> None:
    """The store takes a page and never answers: the alert that the page proves arrives as usual."""
    with field.store.answering(StoreMode.HANG):
        opening = field.outside.open(field.quiet_desk(), field.rng)
        began = time.monotonic()
        until(lambda: field.reached_by(opening) >= entitled(opening.desk_id), "everybody is told", _PATIENCE)
        field.journal.measured(TOLD, time.monotonic() - began)
        until(lambda: field.store.asked, "a proof is on its way", _PATIENCE)


@fault("store", "proofs", "redis", "spider", names="proofs", harmless=True)
def store_of_proofs_refuses(field: Field, _spell: Spell) -> None:
    """The store takes nothing, and says so: health names it."""
    with field.store.answering(StoreMode.REFUSE):
        field.outside.open(field.quiet_desk(), field.rng)
        until(lambda: field.store.asked, "a proof is on its way", _PATIENCE)
        time.sleep(_NOTICED)


@fault("store", harmless=True)
def store_of_proofs_is_full(field: Field, _spell: Spell) -> None:
    """The store has no room left, then it has."""
    with field.store.answering(StoreMode.FULL):
        time.sleep(_WHILE)
