"""All desks of the 101 prefectures as their files have them, against stand-ins that answer under their hosts' names.

Each desk that is scheduled has one watcher with URGENCE_TOTAL; one form in ten shows slots after a quarter of the time.
Desks behind a captcha are probed each minute, not each quarter of an hour: otherwise they would be asked once.
"""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from functools import partial

from configs.desk import Desk
from configs.prefecture import desks
from crawler.catalogue import system_of
from deploy.bench import interval_accuracy as figures
from deploy.bench.due_times import Arrivals, DueTimeWatch
from deploy.bench.figures import Effort, Figure, Say, at_most, forget, percentile
from deploy.bench.interval_accuracy import CheckTimes, IntervalAccuracy, checks, read_wished_intervals
from deploy.bench.real_desks import answering, open_slots, settings_for, wait_for
from deploy.bench.servers import Servers, Settings, cpu, let_pass, servers
from deploy.local.processes import free_port

_PROBE = 60  # seconds between two checks of a desk behind a captcha
_ONE_IN, _SLOTS = 10, 5
_LIVE = {"CAPTCHA_PROBE_SECONDS": str(_PROBE), "HEARTBEAT_SECONDS": "21600", "VISIT_REQUESTS": "6"}


def run(effort: Effort, say: Say) -> list[Figure]:
    """Watch for so many minutes; say how well intervals were kept, how late checks were, and what they cost."""
    seconds = 60 * effort.of(effort.minutes, min(1.0, effort.minutes))
    port, watched = free_port(), _real_desks()
    with servers(lambda _: _settings_for(watched, port)) as made, answering(made, port):
        say(f"{len(watched)} desks on {len({desk.host for desk in watched})} hosts")
        wait_for(made, watched)
        systems = sorted({system_of(desk) for desk in watched})
        watch = DueTimeWatch(made, partial(_read_arrivals, made, watched), 0.2, systems)
        with made.planner(), made.spiders(systems) as spiders, watch.watching():
            before = sum(map(cpu, spiders)) + made.servers_cpu()
            let_pass(seconds / 4)
            say(f"forms that show slots from now on: {open_slots(port, _ONE_IN, _SLOTS)}")
            let_pass(seconds * 3 / 4)
            spent, end = sum(map(cpu, spiders)) + made.servers_cpu() - before, time.time()
        found = checks(made, watched)
        judged = figures.judge_intervals(watched, found, read_wished_intervals(made), _PROBE, end)
    for line in _described(judged, found):
        say(line)
    late = list(figures.late(found, watch.due_visits()))
    return [
        Figure("desks that are scheduled", len(watched)),
        Figure("of them judged (others have a longer interval than was measured)", len(judged)),
        Figure("achieved ÷ feasible interval, p50", percentile([each.ratio for each in judged], 50)),
        Figure(
            "achieved ÷ feasible interval, p95",
            percentile([each.ratio for each in judged], 95),
            at_most(1.05),
        ),
        Figure("lateness behind the host's rest, p50 ms", percentile(late, 50)),
        Figure("lateness behind the host's rest, p95 ms", percentile(late, 95)),
        Figure("checks that ended otherwise than a well site's", sum(each.odd for each in found), at_most(0)),
        Figure("CPU of planner, spiders, PostgreSQL and Redis, % of a core", 100 * spent / seconds),
    ]


def _real_desks() -> list[Desk]:
    """Return the desks of the shipped files that are scheduled where a token is there."""
    os.environ.pop("PREFECTURES_DIR", None)
    os.environ["ANTS_TOKEN"] = "any"  # noqa: S105 -- a stand-in takes it
    forget()
    return [desk for desk in desks().values() if desk.schedulable]


def _settings_for(watched: Collection[Desk], port: int) -> Settings:
    return settings_for(watched, port) | _LIVE


def _read_arrivals(made: Servers, watched: Collection[Desk]) -> Arrivals:
    return figures.arrivals(checks(made, watched))


def _described(judged: Collection[IntervalAccuracy], found: Collection[CheckTimes]) -> Iterator[str]:
    """Say by booking system how intervals were kept, and which desk waited longest; then what ended oddly."""
    by_system: defaultdict[str, list[IntervalAccuracy]] = defaultdict(list)
    for each in judged:
        by_system[system_of(each.desk)].append(each)
    for system, mine in sorted(by_system.items()):
        ratios, worst = [each.ratio for each in mine], max(mine, key=lambda each: each.ratio)
        middle = f"p50 {percentile(ratios, 50):.3f}, p95 {percentile(ratios, 95):.3f}"
        longest = f"{worst.desk.id} {worst.achieved:.1f} s for {worst.feasible:.1f} s"
        yield f"{system}: {len(mine)} desks judged, achieved ÷ feasible {middle}, longest {longest}"
    ends = Counter((each.desk.platform, each.outcome.value) for each in found)
    yield ", ".join(f"{platform} {outcome} {number}" for (platform, outcome), number in sorted(ends.items()))
