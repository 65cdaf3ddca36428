"""A stand-in platform, its sites, bookable pages and places; docs/adding-a-platform.md explains them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from deploy.sandbox.modes import Table
    from deploy.sandbox.sites.site import Site

_NUMBER: Final = re.compile(r"\d{6}")
AddRoutes = Callable[[web.Application, "Site"], None]


def form_in(request: web.Request) -> int | None:
    """Return the number of six digits in the path, else in the query or the page that asks: the form's."""
    places = (request.path, request.query_string, request.headers.get("Referer", ""))
    found = next(filter(None, map(_NUMBER.search, places)), None)
    return int(found[0]) if found else None


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


@dataclass(frozen=True)
class StandInPlatform:
    """One booking software and the sites that run it here.

    Args:
        add_routes: adds a site's pages to its application; called once for each site.
        sites: the stand-ins.
        page: the path of a form's page, as a person opens it.
        form_asked: the number of the form that a request is about (usually of six digits), None for other pages.
        headers: sent with every page.
        modes: how it may misbehave beyond ``MODES``; its pages find the mode they meet in ``request[MODE]``.
        mode_names: French names of those, for the inbox page.
    """

    add_routes: AddRoutes
    sites: tuple[StandIn, ...] = ()
    page: Callable[[Form], str] = "/{0.number}".format
    form_asked: Callable[[web.Request], int | None] = form_in
    headers: Mapping[str, str] = field(default_factory=dict)
    modes: Table = field(default_factory=dict)
    mode_names: Mapping[str, str] = field(default_factory=dict)
