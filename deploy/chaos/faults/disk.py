"""A disk that is full."""

import time

from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell


@fault("disk", "postgres", "redis", needs="disk")
def fill_the_disk(field: Field, _spell: Spell) -> None:
    """Not a byte is left under the state folder, then there is room again."""
    with field.world.disk_full():
        time.sleep(6)
