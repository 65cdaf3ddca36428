"""The recorded ban, replayed: which sites would the shipped budgets be banned by?

A form of Seine-Saint-Denis (13303, public log of 2022-11-18, alumbreras/rdv_naturalisation) answered checks 9 s apart
four times and refused the fifth; minutes later it answered one a second 15 times, then refused for 40 minutes. Tries
during the ban did not prolong it. A line of the log is a check: its planning is known only after three requests.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from configs.plan import PlanName
from deploy.simulation.rate_limit_rules import Rule
from deploy.simulation.releases import Pattern, releases
from deploy.simulation.runner import Played
from deploy.simulation.site import SimulatedForm, SimulatedSite
from deploy.simulation.world import START, SimulatedWorld, desk_id, host_name

RECORDED = (Rule(5, 35, counts="visits"), Rule(16, 18, counts="visits"))
MUST = Rule(12, 60)
LADDER = tuple(Rule(count, 60) for count in (12, 11, 10, 9, 8, 7, 6))


@dataclass(frozen=True)
class Shape:
    """What is on the host: so many desks with so many plannings each, open as the pattern says."""

    name: str
    desks: int
    plannings: int
    pattern: Pattern


SHAPES = (
    Shape("1 desk", 1, 1, "both"),
    Shape("2 desks", 2, 1, "both"),
    Shape("2 desks of 3 plannings, open half of the time", 2, 3, "often"),
    Shape("5 desks", 5, 2, "both"),
)


@dataclass(frozen=True)
class Rung:
    """One stand-in: what it bears and what is on it."""

    rules: tuple[Rule, ...]
    shape: Shape

    @property
    def name(self) -> str:
        """How tables call its rules."""
        return "the log's own pattern" if self.rules[0].counts == "visits" else str(self.rules[0])


def rungs(rules: Iterable[Rule] = LADDER, *, prolongs: bool = False) -> list[Rung]:
    """Return every stand-in: each shape with each rule, and with the log's own."""
    sets = [(rule,) for rule in rules] + [RECORDED]
    harsh = [tuple(replace(rule, prolongs=prolongs) for rule in each) for each in sets]
    return [Rung(each, shape) for each in harsh for shape in SHAPES]


def world(
    stand_ins: Iterable[Rung], hours: float, seed: int = 1, budget: int | None = None
) -> SimulatedWorld:
    """Make a host of each; somebody waits for every desk as fast as can be had."""
    chance = random.Random(seed)  # noqa: S311 -- no secret
    made, number = SimulatedWorld({}, budget=budget), 0
    for place, rung in enumerate(stand_ins):
        site = SimulatedSite(host_name(place), {}, rung.rules)
        made.sites[site.host] = site
        for _ in range(rung.shape.desks):
            number += 1
            plannings = tuple(20_000 + 10 * number + each for each in range(rung.shape.plannings))
            shown = releases(rung.shape.pattern, plannings, START, hours * 3600, chance)
            site.forms[10_000 + number] = SimulatedForm(10_000 + number, plannings, shown)
            made.waits[desk_id(10_000 + number)] = PlanName.URGENCE_TOTAL
    return made


@dataclass(frozen=True)
class Survival:
    """What became of one stand-in."""

    rung: Rung
    bans: int
    busiest: int
    asked: int
    refused: int


def survivals(stand_ins: Iterable[Rung], played: Played) -> list[Survival]:
    """Return what became of each, in the order in which the world was made."""
    sites = played.world.sites.values()
    return [
        Survival(rung, len(site.bans), site.busiest, site.asked, site.refused)
        for rung, site in zip(stand_ins, sites, strict=True)
    ]


def survived(found: Iterable[Survival], name: str) -> bool:
    """Tell whether no stand-in of that name ever banned us."""
    return not any(each.bans for each in found if each.rung.name == name)


def strictest(found: Iterable[Survival]) -> Rule | None:
    """Return the strictest rule in requests that all shapes survived, with every milder one."""
    kept = None
    ladder = {each.rung.rules[0] for each in found if each.rung.rules[0].counts == "requests"}
    for rule in sorted(ladder, key=lambda each: -each.count):
        if not survived(found, str(rule)):
            break
        kept = rule
    return kept
