"""All desks of the 101 prefectures as their files have them, against stand-ins that answer under their hosts' names.

Each desk that is scheduled has one watcher with URGENCE_TOTAL; one form in ten shows slots after a quarter of the time.
Desks behind a captcha are probed each minute, not each quarter of an hour: otherwise they would be asked once.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from configs.desk import Desk
from configs.outcome import Outcome
from configs.prefecture import desks
from crawler.catalogue import system_of
from crawler.schedule import captcha_expected
from deploy.bench.due_times import Arrivals, Watch
from deploy.bench.figures import Effort, Figure, Say, at_most, forget, percentile
from deploy.bench.real_desks import answering, open_slots, settings_for, wait_for
from deploy.bench.servers import Servers, Settings, cpu, let_pass, servers
from deploy.local.processes import free_port

_PROBE = 60  # seconds between two checks of a desk behind a captcha
_ONE_IN, _SLOTS = 10, 5
_PROVEN = (Outcome.SLOTS, Outcome.NO_SLOTS)
_CHECKS = sa.text(
    "SELECT desk_id, outcome, extract(epoch FROM started_at)::float8 AS at FROM checks ORDER BY at"
)
_INTERVALS = sa.text("SELECT id, greatest(wished_seconds, feasible_seconds)::float8 AS seconds FROM desks")


@dataclass(frozen=True)
class Kept:
    """The mean of the seconds between two checks of a desk, beside those that its host's budget allows."""

    achieved: float
    feasible: float

    @property
    def ratio(self) -> float:
        """Return how many times longer than feasible the desk waited."""
        return self.achieved / self.feasible


def run(effort: Effort, say: Say) -> list[Figure]:
    """Watch for so many minutes; say how well intervals were kept, how late checks were, and what they cost."""
    seconds = 60 * effort.of(effort.minutes, min(1.0, effort.minutes))
    port = free_port()
    watched = _real_desks()
    with servers(lambda _: _told(watched, port)) as made, answering(made, port):
        say(f"{len(watched)} desks on {len({desk.host for desk in watched})} hosts")
        wait_for(made, watched)
        systems = sorted({system_of(desk) for desk in watched})
        watch = Watch(made, partial(_asked, made), 0.2, systems)
        with made.planner(), watch.watching(), made.spiders(systems) as spiders:
            before = sum(map(cpu, spiders)) + made.servers_cpu(), made.number("SELECT count(*) FROM checks")
            let_pass(seconds / 4)
            say(f"forms that show slots from now on: {open_slots(port, _ONE_IN, _SLOTS)}")
            let_pass(seconds * 3 / 4)
            spent = sum(map(cpu, spiders)) + made.servers_cpu() - before[0]
            checks = made.number("SELECT count(*) FROM checks") - before[1]
        kept, odd = _kept(made, watched, watch.asked), _odd(made, watched)
    for line in _described(kept, odd):
        say(line)
    late, ratios = watch.lateness() or [0.0], [each.ratio for each in kept.values()] or [0.0]
    return [
        Figure("desks that are scheduled", len(watched)),
        Figure("of them asked less than twice", len(watched) - len(kept), at_most(0)),
        Figure("achieved ÷ feasible interval, p50", percentile(ratios, 50)),
        Figure("achieved ÷ feasible interval, p95", percentile(ratios, 95), at_most(1.05)),
        Figure("lateness p50, ms", percentile(late, 50)),
        Figure("lateness p95, ms", percentile(late, 95)),
        Figure("checks that ended otherwise than their stand-in answers", sum(odd.values()), at_most(0)),
        Figure("CPU of planner, spiders, PostgreSQL and Redis, % of a core", 100 * spent / seconds),
        Figure("CPU ms a check", 1000 * spent / checks),
    ]


def _real_desks() -> list[Desk]:
    """Return the desks of the shipped files that are scheduled where a token is there."""
    os.environ.pop("PREFECTURES_DIR", None)
    os.environ["ANTS_TOKEN"] = "any"  # noqa: S105 -- a stand-in takes it
    forget()
    return [desk for desk in desks().values() if desk.schedulable]


def _told(watched: Collection[Desk], port: int) -> Settings:
    return settings_for(watched, port) | {"CAPTCHA_PROBE_SECONDS": str(_PROBE), "HEARTBEAT_SECONDS": "21600"}


def _asked(made: Servers) -> Arrivals:
    """Return when each desk was asked."""
    found: Arrivals = defaultdict(list)
    with made.engine.connect() as connection:
        for row in connection.execute(_CHECKS):
            found[row.desk_id].append(row.at)
    return found


def _kept(made: Servers, watched: Collection[Desk], asked: Arrivals) -> dict[str, Kept]:
    """Return how each desk's interval was kept, where it was asked twice."""
    with made.engine.connect() as connection:
        feasible = {row.id: row.seconds for row in connection.execute(_INTERVALS)}
    found = {}
    for desk in watched:
        times = asked.get(desk.id, [])
        if len(times) > 1:
            achieved = (times[-1] - times[0]) / (len(times) - 1)
            found[desk.id] = Kept(achieved, max(feasible[desk.id], _PROBE if captcha_expected(desk) else 0))
    return found


def _odd(made: Servers, watched: Collection[Desk]) -> Counter[str]:
    """Return the outcomes that no stand-in here has a reason for, with how often they came."""
    presence = {desk.id for desk in watched if captcha_expected(desk)}
    with made.engine.connect() as connection:
        ends = [(row.desk_id, Outcome(row.outcome)) for row in connection.execute(_CHECKS)]
    return Counter(
        outcome.value
        for desk, outcome in ends
        if outcome not in ((Outcome.CAPTCHA,) if desk in presence else _PROVEN)
    )


def _described(kept: Mapping[str, Kept], odd: Mapping[str, int]) -> Iterator[str]:
    """Say by booking system how intervals were kept, and which desk waited longest."""
    by_system: defaultdict[str, dict[str, Kept]] = defaultdict(dict)
    for name, each in kept.items():
        by_system[system_of(desks()[name])][name] = each
    for system, desks_of in sorted(by_system.items()):
        ratios = [each.ratio for each in desks_of.values()]
        name = max(desks_of, key=lambda each: desks_of[each].ratio)
        worst = desks_of[name]
        middle = f"p50 {percentile(ratios, 50):.3f}, p95 {percentile(ratios, 95):.3f}"
        longest = f"{name} {worst.achieved:.1f} s for {worst.feasible:.1f} s"
        yield f"{system}: {len(ratios)} desks asked twice, achieved ÷ feasible {middle}, longest {longest}"
    yield from (f"unexpected {outcome}: {number}" for outcome, number in sorted(odd.items()))
