"""Interface of a stand-in platform's module; docs/adding-a-platform.md explains it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from deploy.sandbox.modes import Mode, Table
    from deploy.sandbox.sites.site import Site
    from deploy.sandbox.stand_in_types import Form, StandIn

Instead = Callable[["Mode", web.Request, "Site"], Awaitable[web.StreamResponse]]


def _no_form(_request: web.Request) -> int | None:
    return None


@dataclass(frozen=True)
class StandInPlatform:
    """One booking software and the sites that run it here.

    Args:
        sites: the stand-ins.
        add_routes: adds a site's pages to its application; called once for each site.
        page: the path of a form's page, as a person opens it.
        form_asked: the number of the form that a request is about, None for other pages.
        headers: sent with every page.
        modes: how it may misbehave beyond ``MODES``; its pages find the mode they meet in ``request[MODE]``.
        mode_names: French names of those, for the inbox page.
        instead: its own answers in a mode, for those that are there for every site or that it adds.
    """

    sites: tuple[StandIn, ...]
    add_routes: Callable[[web.Application, Site], None]
    page: Callable[[Form], str]
    form_asked: Callable[[web.Request], int | None] = _no_form
    headers: Mapping[str, str] = field(default_factory=dict)
    modes: Table = field(default_factory=dict)
    mode_names: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, Instead] = field(default_factory=dict)
