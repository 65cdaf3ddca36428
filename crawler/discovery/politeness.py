"""How a walk behaves at a site beyond its usual pause: what robots.txt asks for, and when it is left alone."""

from collections import Counter
from dataclasses import dataclass, field

from configs.settings import settings

LONGEST_PAUSE = 60.0  # seconds; a robots.txt that asks for more gets that
ENOUGH = 5  # pages in a row that did not come


@dataclass
class Manners:
    """What one process has learned of the sites (`name:port`) that it asks."""

    pauses: dict[str, float] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    _doubts: Counter[str] = field(default_factory=Counter)

    def slow_down(self, site: str, seconds: float) -> float:
        """Keep the pause that a site asks for, if it is longer than ours; return the pause."""
        self.pauses[site] = min(max(seconds, settings().discovery_delay_seconds), LONGEST_PAUSE)
        return self.pauses[site]

    def note(self, site: str, *, refused: bool = False, doubtful: bool = False) -> bool:
        """Take note of a page; tell whether its site is to be left alone for the rest of the walk.

        One that refuses us is, and one of which nothing has come for a while.
        """
        self._doubts[site] = self._doubts[site] + 1 if doubtful else 0
        if refused or self._doubts[site] >= ENOUGH:
            self.left.add(site)
        return site in self.left
