"""The simulation's arguments and output: hours of watching in minutes, or the replay of a recorded ban.

It fills the database of a sandbox; `make simulate` gives it one.
"""

import argparse
import json
import logging
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from crawler.spider_processes.command_setup import prepare
from deploy.simulation import replay
from deploy.simulation.metrics import figures
from deploy.simulation.rate_limit_rules import Rule
from deploy.simulation.report import failures, show, show_replay
from deploy.simulation.runner import Course, NotHere, TooSlow, play
from deploy.simulation.world import Scenario

_RULE = "N/S, the Nth request within S seconds is refused, and everything after it for --ban-minutes; or none"

_PATTERNS = ("bursts", "nightly", "both", "often")
_OPTIONS: tuple[tuple[str, Any, Any, str], ...] = (
    ("--desks", int, 120, "desks"),
    ("--hosts", int, 60, "hosts, of which each has a desk and few have the others"),
    ("--times", int, 1, "so many times these desks and hosts"),
    ("--hours", float, None, "simulated hours (4, with --replay 24)"),
    ("--seed", int, 1, "another seed is another world"),
    ("--paid", float, 0.5, "share of desks that somebody waits for"),
    ("--ban", str, "12/60", _RULE),
    ("--ban-minutes", float, 40, "how long a ban lasts"),
    ("--refusal", int, 403, "status of refused answers, 403 for blocked, 429 for rate_limited"),
    ("--budget", int, None, "requests a minute and host in place of the shipped budgets"),
    ("--spiders", int, 2, "spider processes on one due queue"),
    ("--look", float, 10, "simulated seconds between two looks of the planner"),
    ("--empty-redis-at", float, None, "hours until Redis loses everything, and until it does again"),
    ("--to", Path, ".state/simulate.json", "file that the figures go to"),
)


def main(arguments: list[str]) -> int:
    """Play, print, write; return 1 where a site that must be survived refused us.

    Raises:
        SystemExit: the arguments or the settings are wrong, or the machine is too slow; the text says which.
    """
    opts = _parser().parse_args(arguments)
    prepare("simulation", [], "redis_url", "database_url")
    logging.getLogger("crawler").setLevel(logging.WARNING)
    try:
        found, wrong = _replay(opts) if opts.replay else _scenario(opts)
    except (NotHere, TooSlow) as error:
        raise SystemExit(f"make simulate: {error}") from None
    opts.to.parent.mkdir(parents=True, exist_ok=True)
    opts.to.write_text(json.dumps(_where(opts) | found, indent=2, ensure_ascii=False), "utf-8")
    for each in wrong:
        print(f"not survived: {each}")
    return int(bool(wrong))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.simulation", description=__doc__)
    for name, kind, default, text in _OPTIONS:
        shown = text if default is None else f"{text} ({default})"
        parser.add_argument(name, type=kind, default=default, help=shown, metavar="N")
    parser.add_argument("--release", choices=_PATTERNS, default="both", help="how slots are released")
    parser.add_argument("--prolong", action="store_true", help="whoever asks during a ban prolongs it")
    parser.add_argument("--replay", action="store_true", help="the recorded ban, stricter and stricter")
    return parser


def _scenario(opts: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    count, _, seconds = opts.ban.partition("/")
    rules = (
        ()
        if opts.ban == "none"
        else (Rule(int(count), float(seconds), 60 * opts.ban_minutes, prolongs=opts.prolong),)
    )
    scenario = Scenario(
        desks=opts.desks * opts.times, hosts=opts.hosts * opts.times, hours=opts.hours or 4,
        seed=opts.seed, paid=opts.paid, rules=rules, refusal=opts.refusal, pattern=opts.release, budget=opts.budget,
    )  # fmt: skip
    found = figures(play(scenario.world(), _course(opts, scenario.hours)))
    show(Console(highlight=False), found)
    return {"figures": found}, []


def _replay(opts: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    hours = opts.hours or 24
    stand_ins = replay.rungs(prolongs=opts.prolong)
    world = replay.world(stand_ins, hours, opts.seed, opts.budget)
    found = replay.survivals(stand_ins, play(world, _course(opts, hours)))
    show_replay(Console(highlight=False), found)
    rows = [
        {"rule": each.rung.name, "host has": each.rung.shape.name, "bans": each.bans,
         "most requests in 60 s": each.busiest, "requests": each.asked, "refused": each.refused}
        for each in found
    ]  # fmt: skip
    return {"replay": rows, "strictest survived": str(replay.strictest(found))}, failures(found)


def _course(opts: argparse.Namespace, hours: float) -> Course:
    return Course(hours, opts.spiders, opts.look, empty_redis_at=opts.empty_redis_at, seed=opts.seed)


def _where(opts: argparse.Namespace) -> dict[str, Any]:
    parameters = {name: value for name, value in vars(opts).items() if isinstance(value, int | float | str)}
    return {
        "date": datetime.now(UTC).isoformat(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "parameters": parameters,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
