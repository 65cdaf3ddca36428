"""Types of a booking site's stand-in: its name and address, its bookable pages and their counters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Planning:
    """One place of a form (a counter, an agenda, a town hall): its number in the booking system and its label."""

    number: int
    label: str


@dataclass(frozen=True)
class Form:
    """One bookable page: what it is for and the places it books. Its number is no other form's, on any site."""

    number: int
    title: str
    plannings: tuple[Planning, ...]

    @property
    def asks_planning(self) -> bool:
        """Whether a visitor has to choose a place."""
        return len(self.plannings) > 1


@dataclass(frozen=True)
class StandIn:
    """A stand-in of one booking site.

    ``code`` is a department's ("91") or the platform's name, ``host`` the loopback address that is its own,
    ``within`` and ``town`` are what its pages say of it ("dans l'Essonne", "Évry-Courcouronnes"). The world opens
    slots by itself where ``played``: not where nobody could see them. ``home`` is the origin of the real site, where
    there is only one: its pages name it as their own.
    """

    code: str
    name: str
    within: str
    town: str
    host: str
    forms: tuple[Form, ...]
    played: bool = True
    home: str = ""
