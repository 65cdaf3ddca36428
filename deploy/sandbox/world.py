"""The world of the sandbox: slots open and go by themselves, and now and then a site has a failure mode."""

from __future__ import annotations

import asyncio
import logging
import random
from itertools import count, cycle
from typing import TYPE_CHECKING, Final

from deploy.sandbox.modes import ModeBody
from deploy.sandbox.request_body import Refusal, read_told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.sandbox.modes import Parameters
    from deploy.sandbox.platforms import Planning
    from deploy.sandbox.sites.site import Site

log = logging.getLogger("sandbox")
_SOON: Final = 13  # days: slots of the next two weeks, which the first pages of a calendar show
_FIRST_SITE: Final = "91"
_FIRST_AT: Final = 8.0  # seconds after the start: the desks have been checked once, empty
_FIRST_STAYS: Final = 180.0  # so that the first alert is seen however slow the machine starts
_BETWEEN: Final = (10.0, 25.0)
_STAYS: Final = (20.0, 60.0)
_BAD_SOON: Final = (4, 8)  # of the first events these are bad moments instead of slots
# And later one in so many: who was refused has come back before the same site refuses again.
_BAD_EVERY: Final = 12
_BAD_LASTS: Final = (65.0, 75.0)  # so that a desk that is checked each minute meets it
# In this order, repeatedly: some minutes of watching show each of them.
_BAD: Final[tuple[tuple[str, Parameters], ...]] = (
    ("maintenance", {"retry_after": 15}),
    ("block", {}),
    ("overload", {}),
    ("overload_502", {}),
)
_rng: Final = random.Random()  # noqa: S311 - a world, not a secret


async def play(sites: Mapping[str, Site]) -> None:
    """Play until cancelled; what a person at the buttons has made impossible is left out."""
    first = sites[_FIRST_SITE]
    platforms: dict[str, list[Site]] = {}
    for site in sites.values():
        if site.about.played:
            platforms.setdefault(site.platform_name, []).append(site)
    in_turn = cycle(platforms.values())  # so that each of them shows up soon
    # Where another site of the platform goes on: who is refused rests for minutes. One after the other, so that each
    # has had its rest before its next bad moment.
    shared = [site for known in platforms.values() if len(known) > 1 for site in known]
    chosen = [site for site in shared if len(site.about.forms) == 1 and site is not first]
    _rng.shuffle(chosen)
    bad = zip(cycle(chosen), cycle(_BAD), strict=False)
    async with asyncio.TaskGroup() as group:
        await asyncio.sleep(_FIRST_AT)
        # On every counter: a polite watcher asks one or two of them in its first visit.
        for planning in first.about.forms[0].plannings:
            group.create_task(_open(first, planning, 2, _FIRST_STAYS))
        for number in count(1):
            await asyncio.sleep(_rng.uniform(*_BETWEEN))
            if number in _BAD_SOON or number % _BAD_EVERY == 0:
                troubled, (name, parameters) = next(bad)
                group.create_task(_trouble(troubled, name, parameters))
                continue
            site = _rng.choice(next(in_turn))
            planning = _rng.choice(_rng.choice(site.about.forms).plannings)
            group.create_task(_open(site, planning, _rng.randint(1, 4), _rng.uniform(*_STAYS)))


async def _open(site: Site, planning: Planning, slots: int, seconds: float) -> None:
    """Let slots open and go."""
    try:
        opened = site.agenda.open_some(planning, slots, days=_SOON)
    except Refusal as refusal:
        log.warning("the world opens nothing at %s: %s", site.about.name, refusal)
        return
    await asyncio.sleep(seconds)
    site.agenda.take(planning, opened)


async def _trouble(site: Site, name: str, parameters: Parameters) -> None:
    """Let a site have a mode for a while; what a person has set stays."""
    if site.modes.site.name != "normal":
        return
    mode = site.set_mode(read_told({"mode": name, **parameters}, ModeBody))
    await asyncio.sleep(_rng.uniform(*_BAD_LASTS))
    if site.modes.site is mode:
        site.set_mode(ModeBody(mode="normal"))
