"""The world of the sandbox: when slots open and go by themselves, and when a site has a failure mode."""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from dataclasses import dataclass
from itertools import count, cycle
from typing import TYPE_CHECKING, Final, Literal

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.platforms import stand_ins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from deploy.sandbox.modes import Mode, Parameters
    from deploy.sandbox.platform import StandIn
    from deploy.sandbox.sites.site import Site

log = logging.getLogger("sandbox")
_SOON: Final = 13  # days: slots of the next two weeks, which the first pages of a calendar show
_FIRST_SITE: Final = "91"
_FIRST_AT: Final = 8.0  # seconds after the start: the desks have been checked once, empty
_FIRST_STAYS: Final = 180.0  # so that the first alert is seen however slow the machine starts
_BETWEEN: Final = (10.0, 25.0)
_STAYS: Final = (20.0, 60.0)
_BAD_SOON: Final = (4, 8)  # of the first events these are bad moments instead of slots
_BAD_EVERY: Final = (
    12  # and later one in so many: who was refused has come back before the same site refuses again
)
_BAD_LASTS: Final = (65.0, 75.0)  # so that a desk that is checked each minute meets it
# In this order, repeatedly: some minutes of watching show each of them.
_BAD: Final[tuple[tuple[str, Parameters], ...]] = (
    ("maintenance", {"retry_after": 15}),
    ("ban", {"requests": 0, "minutes": 2}),
    ("overload", {}),
    ("overload_502", {}),
)


@dataclass(frozen=True)
class Event:
    """Something that happens ``at`` seconds after the start.

    ``take`` names by ``batch`` the slots that an earlier ``open`` opened; ``mode`` sets a site's mode.
    """

    at: float
    kind: Literal["open", "take", "mode"]
    code: str
    form: int = 0
    planning: int = 0
    count: int = 0
    batch: int = 0
    mode: str = "normal"
    parameters: tuple[tuple[str, float | str], ...] = ()


def script() -> Iterator[Event]:
    """Yield what happens, in the order of time, without end."""
    rng = random.Random()  # noqa: S311 - a world, not a secret
    later: list[tuple[float, int, Event]] = []
    for number, event in enumerate(_openings(rng)):
        while later and later[0][0] <= event.at:
            yield heapq.heappop(later)[2]
        yield event
        end = _end_of(event, rng)
        heapq.heappush(later, (end.at, number, end))


def _end_of(event: Event, rng: random.Random) -> Event:
    if event.kind == "mode":
        return Event(event.at + rng.uniform(*_BAD_LASTS), "mode", event.code)
    stays = _FIRST_STAYS if event.at == _FIRST_AT else rng.uniform(*_STAYS)
    return Event(event.at + stays, "take", event.code, event.form, event.planning, batch=event.batch)


def _openings(rng: random.Random) -> Iterator[Event]:
    first = stand_ins()[_FIRST_SITE][1]
    form = first.forms[0]
    # On every counter: a polite watcher asks one or two of them in its first visit.
    for batch, planning in enumerate(form.plannings):
        yield Event(_FIRST_AT, "open", first.code, form.number, planning.number, count=2, batch=batch)
    at, bad, sites = _FIRST_AT, _bad_moments(rng, first), _in_turn(rng)
    for number in count(1):
        at += rng.uniform(*_BETWEEN)
        if number in _BAD_SOON or number % _BAD_EVERY == 0:
            yield _bad_moment(at, *next(bad))
        else:
            yield _opening(rng, at, next(sites), len(form.plannings) + number)


def _by_platform() -> dict[str, list[StandIn]]:
    found: dict[str, list[StandIn]] = {}
    for platform, site in stand_ins().values():
        if site.played:
            found.setdefault(platform, []).append(site)
    return found


def _in_turn(rng: random.Random) -> Iterator[StandIn]:
    """Yield a site of one platform after the other, so that each of them shows up soon."""
    for sites in cycle(_by_platform().values()):
        yield rng.choice(sites)


def _opening(rng: random.Random, at: float, site: StandIn, batch: int) -> Event:
    form = rng.choice(site.forms)
    planning = rng.choice(form.plannings)
    return Event(at, "open", site.code, form.number, planning.number, count=rng.randint(1, 4), batch=batch)


def _bad_moment(at: float, code: str, mode: str, parameters: Parameters) -> Event:
    return Event(at, "mode", code, mode=mode, parameters=tuple(parameters.items()))


def _bad_moments(rng: random.Random, first: StandIn) -> Iterator[tuple[str, str, Parameters]]:
    """Yield site, mode and parameters, where another site of its platform goes on: who is refused rests for minutes.

    Sites of one form, not the first; one after the other, so that each has had its rest before its next bad moment.
    """
    shared = (site for sites in _by_platform().values() if len(sites) > 1 for site in sites)
    codes = [each.code for each in shared if len(each.forms) == 1 and each is not first]
    rng.shuffle(codes)
    return ((code, *bad) for code, bad in zip(cycle(codes), cycle(_BAD), strict=False))


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
