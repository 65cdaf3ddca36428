"""The stand-in platforms, found by being here: each a file that describes its sites, forms and modes.

What its sites answer is in the file too (``sites/described.py``), or in the ``PLATFORM`` of a module beside it. In it
``forms`` name the title of a page and its places; ``page`` is its address, ``form`` a pattern that finds its number in
an address, or the numbers by address; ``modes`` have a French name, and parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from aiohttp import web

from deploy.sandbox.addresses import department_host, platform_host

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    headers: dict[str, str] = field(default_factory=dict)
    modes: Table = field(default_factory=dict)
    mode_names: Mapping[str, str] = field(default_factory=dict)


@cache
def platforms() -> dict[str, StandInPlatform]:
    """Return every platform by name, which is its module's or its file's."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.yaml")):
        name, about = file.stem, yaml.safe_load(file.read_text("utf-8"))
        sites = about.get("sites", {name: about})
        if file.with_suffix(".py").exists():
            own = import_module(f"{__name__}.{name}").PLATFORM
        else:
            own = StandInPlatform(
                partial(_add_described, {code: about | each for code, each in sites.items()})
            )
        found[name] = replace(own, **_describe(sites, about))
    return found


def _add_described(sites: dict[str, Any], app: web.Application, site: Site) -> None:
    """Add what the file of a site's platform describes."""
    from deploy.sandbox.sites.described import DescribedPages  # noqa: PLC0415 - sites read this registry

    DescribedPages(site, sites[site.about.code]).add_routes(app)


def _describe(sites: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a platform that its file describes."""
    told = {
        mode: {"name": each} if isinstance(each, str) else each
        for mode, each in about.get("modes", {}).items()
    }
    described = {
        "sites": tuple(_read_site(code, each) for code, each in sites.items()),
        "headers": about.get("headers", {}),
        "modes": {mode: {key: each[key] for key in each if key != "name"} for mode, each in told.items()},
        "mode_names": {mode: each["name"] for mode, each in told.items()},
    }
    pages = {
        form: each.get("page", about.get("page", "")) for each in sites.values() for form in each["forms"]
    }
    if all(pages.values()):
        usual = next(iter(pages.values()))
        described["page"] = lambda form: pages.get(form.number, usual).format(form=form.number)
    if "form" in about:
        described["form_asked"] = partial(_find_form, about["form"])
    return described


def _read_site(code: str, about: dict[str, Any]) -> StandIn:
    told = dict(about["site"])
    system, number = told.pop("host").split()
    host = department_host(number) if system == "department" else platform_host(system, int(number))
    return StandIn(code=code, host=host, forms=tuple(_read_forms(about["forms"])), **told)


def _read_forms(about: dict[int, Any]) -> Iterator[Form]:
    for number, told in about.items():
        if isinstance(told, dict):
            title, places = told["title"], {at: each for at, each in told.items() if at != "title"}
        else:
            title, places = told[0], {10 * number + at: each for at, each in enumerate(told[1:], 1)}
        yield Form(number, title, tuple(Planning(at, each) for at, each in places.items()))


def _find_form(told: str | dict[str, int], request: web.Request) -> int | None:
    if isinstance(told, dict):
        return told.get(request.path)
    found = re.search(told, f"{request.path}?{request.query_string}")
    return int(next(filter(None, found.groups()))) if found else None


@cache
def stand_ins() -> dict[str, tuple[str, StandIn]]:
    """Return every stand-in with its platform's name, by code, in the order of their addresses."""
    found = [(name, site) for name, platform in platforms().items() for site in platform.sites]
    found.sort(key=lambda each: ip_address(each[1].host))
    return {site.code: (name, site) for name, site in found}
