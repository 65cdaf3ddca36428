"""Politeness of a discovery run: the sites it may ask, pauses that robots.txt asks for, sites to leave alone."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from configs.constants import Constant
from configs.hosts import host_of, resolve_stand_in
from configs.prefecture import Prefecture, prefectures
from configs.settings import settings
from crawler.url_policy import AddressRefused, ensure_allowed

if TYPE_CHECKING:
    from scrapy import Request  # the keeper imports us, and is no spider

# Pause between two pages of one site
DISCOVERY_DELAY_SECONDS = Constant("DISCOVERY_DELAY_SECONDS", 10.0)

LONGEST_PAUSE = 60.0  # seconds, whatever a robots.txt asks for
ENOUGH = 5  # failed pages in a row


@dataclass
class SitePoliteness:
    """Pauses of sites (`name:port`), and the sites that one process leaves alone."""

    pauses: dict[str, float] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    _doubts: Counter[str] = field(default_factory=Counter)

    def slow_down(self, site: str, seconds: float) -> float:
        """Set the pause that a site asks for, at least ours; return it."""
        self.pauses[site] = min(max(seconds, DISCOVERY_DELAY_SECONDS()), LONGEST_PAUSE)
        return self.pauses[site]

    def note(self, site: str, *, refused: bool = False, doubtful: bool = False) -> bool:
        """Count a page's answer; tell whether the run leaves the site alone from now on.

        It does after a refusal, and after ENOUGH failed pages in a row.
        """
        self._doubts[site] = self._doubts[site] + 1 if doubtful else 0
        if refused or self._doubts[site] >= ENOUGH:
            self.left.add(site)
        return site in self.left


def allowed_sites() -> list[Prefecture]:
    """Return the prefectures whose sites may be asked here: all in production, stand-ins elsewhere.

    Raises:
        AddressRefused: none may be asked; the text says how to allow more.
    """
    current, found, refused = settings(), [], None
    for place in prefectures().values():
        try:
            ensure_allowed(resolve_stand_in(place.site, current.sandbox_hosts), current)
        except AddressRefused as error:
            refused = error
        else:
            found.append(place)
    if not found and refused:
        raise refused
    return found


def site_of(request: "Request") -> str:
    """Return the site of a request: its host, as `name:port`."""
    return host_of(request.url)
