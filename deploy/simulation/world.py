"""World of a simulation: desks on hosts, and the wished interval of each; the same for the same seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.models.alert import Alert, AlertTarget
from api.models.base import new_id, session
from api.models.user import Grant, User
from configs.plan import PlanName
from deploy.sample_desk_files import PREFECTURE, desk_entry, host_entry, prefecture_file
from deploy.simulation.rate_limit_rules import Rule
from deploy.simulation.releases import Pattern, releases
from deploy.simulation.site import SimulatedForm, SimulatedSite

START = datetime(2026, 3, 2, 21, tzinfo=UTC)  # two hours before midnight in Paris
_PLANS = (PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL)


@dataclass
class SimulatedWorld:
    """Sites by host, and the plan of who waits by desk.

    `budget` (requests a minute) replaces the shipped one.
    """

    sites: dict[str, SimulatedSite]
    waits: dict[str, PlanName] = field(default_factory=dict)
    budget: int | None = None

    def write_desks(self, folder: Path) -> None:
        """Write the desk files that PREFECTURES_DIR is to point to."""
        folder.mkdir(parents=True, exist_ok=True)
        hosts = [host_entry(host, self.budget, "the simulation's") for host in self.sites if self.budget]
        desks = [
            desk_entry(_slug(form), _address(host, form), START.date())
            for host, site in self.sites.items()
            for form in site.forms
        ]
        text = prefecture_file(tier=3, hosts=hosts, desks=desks)
        (folder / f"{PREFECTURE}.yaml").write_text(text, "utf-8")

    def write_people(self) -> None:
        """Let one person wait for each desk that somebody pays for."""
        years = timedelta(days=3650)
        begins, ends = START - years, START + years  # a grant that begins has its desk checked at once
        with session() as rows:
            for desk_id, plan in self.waits.items():
                user = User(id=new_id(), email=f"{desk_id.replace('/', '-')}@example.org")
                grant = Grant(user_id=user.id, plan=plan, starts_at=begins, ends_at=ends, source="simulation")
                alert = Alert(user_id=user.id, targets=[AlertTarget(desk_id=desk_id)])
                rows.add_all((user, grant, alert))


def desk_id(form: int) -> str:
    """Return the id of the desk that watches a form."""
    return f"{PREFECTURE}/{_slug(form)}"


def _address(host: str, form: int) -> str:
    return f"https://{host.removesuffix(':443')}/booking/create/{form}"


def _slug(form: int) -> str:
    return f"desk-{form}"


def host_name(number: int) -> str:
    """Return a host that exists nowhere (RFC 2606), as budgets name it."""
    return f"host-{number:03}.invalid:443"


@dataclass(frozen=True)
class Scenario:
    """How many desks on how many hosts for how many hours. `paid`: the share of desks that somebody waits for."""

    desks: int = 120
    hosts: int = 60
    hours: float = 4
    seed: int = 1
    paid: float = 0.5
    rules: Sequence[Rule] = (Rule(12, 60),)
    refusal: int = 403
    pattern: Pattern = "both"
    budget: int | None = None

    def world(self) -> SimulatedWorld:
        """Make it: each host has a desk, the others gather on few hosts, as in life."""
        chance = random.Random(self.seed)  # noqa: S311 -- no secret
        sites = {
            host_name(n): SimulatedSite(host_name(n), {}, self.rules, self.refusal) for n in range(self.hosts)
        }
        world = SimulatedWorld(sites, budget=self.budget)
        for number in range(self.desks):
            at = number if number < self.hosts else int(self.hosts * chance.random() ** 3)
            form = SimulatedForm(10_000 + number, self._plannings(number, chance))
            form.releases = releases(self.pattern, form.plannings, START, self.hours * 3600, chance)
            sites[host_name(at)].forms[form.number] = form
            if chance.random() < self.paid:
                world.waits[desk_id(form.number)] = chance.choice(_PLANS)
        return world

    @staticmethod
    def _plannings(number: int, chance: random.Random) -> tuple[int, ...]:
        several = chance.choice((1, 1, 2, 4))
        return tuple(20_000 + 10 * number + each for each in range(several))
