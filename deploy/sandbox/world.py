"""Plays the script of the world on the booking sites: slots open and go by themselves."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from deploy.sandbox.control_error import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from deploy.sandbox.modes import Mode
    from deploy.sandbox.scenario import Event
    from deploy.sandbox.sites.site import Site

log = logging.getLogger("sandbox")
_SOON = 13  # days: slots of the next two weeks, which the first pages of a calendar show


class World:
    """The player: applies each event at its time."""

    def __init__(self, sites: Mapping[str, Site], events: Iterable[Event]) -> None:
        self._sites = sites
        self._events = events
        self._opened: dict[int, list[int]] = {}
        self._bad: dict[str, Mode] = {}

    async def play(self) -> None:
        """Play until cancelled."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for event in self._events:
            await asyncio.sleep(start + event.at - loop.time())
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Let one event happen; what a person at the buttons has made impossible is left out."""
        site = self._sites[event.code]
        try:
            if event.kind == "mode":
                self._set_mode(site, event)
                return
            planning = site.agenda.planning(site.agenda.form(event.form), event.planning)
            if event.kind == "open":
                self._opened[event.batch] = site.agenda.open_some(planning, event.count, days=_SOON)
            else:
                site.agenda.take(planning, self._opened.pop(event.batch, ()))
        except Refusal as refusal:
            log.warning("the world leaves out %s at %s: %s", event.kind, site.about.name, refusal)

    def _set_mode(self, site: Site, event: Event) -> None:
        # What a person has set stays: only an untroubled site is troubled, and only our trouble ended.
        mode = site.make_mode(event.mode, dict(event.parameters))
        ours = self._bad.pop(event.code, None)
        if site.modes.site is ours or (mode.name != "normal" and site.modes.site.name == "normal"):
            self._bad[event.code] = mode
            site.set_mode(mode)
