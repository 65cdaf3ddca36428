"""`make drill`: proves deployment as far as a machine without a container engine can. Exit code 0 if all held.

A step is a function of its own module; it is listed in STEPS and nowhere else.
"""

import argparse
import sys
import time
import traceback
from pathlib import Path

from rich.console import Console

from deploy.drill import namespace, report
from deploy.drill.fleet import check_fleet
from deploy.drill.front import check_nginx
from deploy.drill.images import build_environments, describe_sizes, remove_mount_point
from deploy.drill.packages import install_packages
from deploy.drill.pooler import check_pooler
from deploy.drill.production import check_production
from deploy.drill.server_faults import check_faults
from deploy.drill.step import CannotRun, Step, StepFailed, StepResult, StepState, Workplace
from deploy.drill.suite import run_suite
from deploy.local import signals
from deploy.local.processes import StartFailed
from deploy.local.signals import StopRequested

_HOME = Path(".state/drill")
STEPS: dict[str, Step] = {
    "packages": Step("what Debian has", install_packages),
    "nginx": Step("nginx with the shipped configuration", check_nginx),
    "images": Step(
        "each image's environment from the lock", lambda work: describe_sizes(build_environments(work))
    ),
    "production": Step("everything as in production", check_production, needs_images=True, is_walled=True),
    "pgbouncer": Step(
        "the same through PgBouncer, TLS verified", check_pooler, needs_images=True, is_walled=True
    ),
    "faults": Step("faults of real servers", check_faults, needs_images=True, is_walled=True),
    "fleet": Step("several APIs, scrapyds and sets of workers, one of which is lost", check_fleet),
    "suite": Step("the tests on PostgreSQL 16 and redis-server", run_suite),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the steps, print their table, write it; return 1 if one did not hold."""
    options = _options(arguments)
    signals.listen()
    console = Console(highlight=False)
    work = Workplace(_HOME.resolve(), lambda text: console.print(f"  {text}", style="dim", markup=False))
    work.folder.mkdir(parents=True, exist_ok=True)
    results: list[StepResult] = []
    try:
        if namespace.is_inside():
            namespace.raise_loopback()
        for name in options.only or STEPS:
            results.append(run_step(name, work))  # noqa: PERF401 -- those before one that is stopped count
    except StopRequested:
        console.print("stopped")
    finally:
        if not namespace.is_inside():
            remove_mount_point()
            report.print_table(console, STEPS, results)
        report.write_report(options.to, " ".join(["make drill", *sys.argv[1:]]), results)
    everything = len(results) == len(options.only or STEPS)
    return int(not (everything and report.holds(results, allow_missing=options.allow_missing)))


def run_step(name: str, work: Workplace) -> StepResult:
    """Run a step, where it belongs; return how it ended."""
    step = STEPS[name]
    begun = time.monotonic()
    inside = namespace.is_inside()
    if not inside:
        work.say(f"{name}: {step.title}")
    try:
        if step.needs_images and not inside:
            build_environments(work)
        if step.is_walled and not inside:
            found = namespace.run_inside(name, work)
            state, text = found.state, found.text
        else:
            state, text = StepState.HELD, step.run(work)
    except CannotRun as why:
        state, text = StepState.MISSING, str(why)
    except (StepFailed, StartFailed) as failure:
        state, text = StepState.FAILED, str(failure)
    except Exception:  # noqa: BLE001 -- the other steps' results are not lost for it
        state, text = StepState.FAILED, traceback.format_exc()
    return StepResult(name, state, time.monotonic() - begun, text)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.drill", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(STEPS), metavar="STEP", help=", ".join(STEPS))
    parser.add_argument(
        "--allow-missing", action="store_true", help="steps that this machine cannot run do not fail"
    )
    parser.add_argument(
        "--to", type=Path, default=Path(".state/drill.json"), help="where the results go (.state/drill.json)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
