"""`python -m deploy.local run|demo`: a whole stack with its sandbox, and its live feed."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console

from api.models.base import session
from configs.clock import clock
from deploy.local.demo import Arrival, arrival, summarise
from deploy.local.feed import Feed
from deploy.local.ports import NoPort, Ports
from deploy.local.postgres import PostgresUnavailable
from deploy.local.processes import StartFailed
from deploy.local.seed import EMAIL, PASSWORD, SeedFailed, seed
from deploy.local.stack import AlreadyRunning, Stack, running, wait_ready
from deploy.local.valkey import ValkeyUnavailable

_LOOK = 0.2  # seconds between two looks at the tables
_WIDTH = 170  # columns where the output is no terminal
_PATIENCE = 90.0  # seconds that `demo` waits for an alert once everything stands
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REFUSALS = (AlreadyRunning, NoPort, StartFailed, SeedFailed, PostgresUnavailable, ValkeyUnavailable)


class Stopped(Exception):
    """Somebody asked us to stop: Ctrl-C or SIGTERM."""


def _stop(_signum: int, _frame: object) -> None:
    for signum in _SIGNALS:
        signal.signal(signum, signal.SIG_IGN)  # an impatient second Ctrl-C must not leave processes behind
    raise Stopped


def main(arguments: list[str] | None = None) -> int:
    """Run a stack; return the exit code: 0 stopped or demo done, 1 demo without an alert, 2 not started."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("what", choices=("run", "demo"))
    parser.add_argument("--any-port", action="store_true", help="take free ports instead of the usual ones")
    options = parser.parse_args(arguments)
    for signum in _SIGNALS:
        signal.signal(signum, _stop)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    try:
        return _show(console, options.what, _usual(any_port=options.any_port))
    except Stopped:
        console.print("stopped")
        return 0
    except _REFUSALS as refusal:
        Console(stderr=True, soft_wrap=True, highlight=False).print(str(refusal), style="red", markup=False)
        return 2


def _usual(*, any_port: bool) -> Ports:
    """Return where to begin looking for ports: the known ones, or higher up, by process.

    Below 32768, from where on the kernel gives ports to outgoing connections: one of them could take ours meanwhile.
    """
    if not any_port:
        return Ports()
    base = 20000 + os.getpid() % 120 * 100
    return Ports(api=base, inbox=base + 20, sites=base + 40, providers=base + 60, scrapyd=base + 80)


def _show(console: Console, what: str, usual: Ports) -> int:
    began = time.monotonic()
    state = Path(os.environ.get("STATE_DIR", ".state"))
    with running(state, usual, lambda text: console.print(text, style="yellow")) as stack:
        os.environ.update(stack.environment)
        wait_ready(stack)
        seed(stack)
        console.print(f"everything stands after {time.monotonic() - began:.1f} s")
        _introduce(console, stack)
        found = _follow(console, stack, until_arrival=what == "demo")
        if what == "demo" and found:
            summarise(console, found)
    return 0 if found else 1


def _introduce(console: Console, stack: Stack) -> None:
    """Print the addresses to open."""
    ports = stack.ports
    console.print("\n[bold]RDVPriority[/], with stand-ins for every site and provider")
    for what, where in {
        "inbox and booking sites": f"http://127.0.0.1:{ports.inbox}/",
        "API, its page": f"http://127.0.0.1:{ports.api}/api/docs",
        "health": f"http://127.0.0.1:{ports.api}/api/health",
        "a booking site": f"http://127.77.0.91:{ports.sites}/booking/create/23014",
        "account": f"{EMAIL} / {PASSWORD}",
        "logs": str(stack.state / "logs"),
    }.items():
        console.print(f"  {what:<24} {where}")
    console.print("  Ctrl-C stops everything\n")


def _follow(console: Console, stack: Stack, *, until_arrival: bool) -> Arrival | None:
    """Print what happens; return the first alert that arrived everywhere, if that is what is waited for."""
    since, feed, end, trouble = clock(), Feed(), time.monotonic() + _PATIENCE, ""
    while not until_arrival or time.monotonic() < end:
        for said in filter(None, (server.revive() for server in stack.servers)):
            console.print(said, style="yellow", markup=False)
        try:
            with session() as s:
                for line in feed.new_lines(s):
                    console.print(line, overflow="ellipsis", no_wrap=True)
                if until_arrival and (found := arrival(s, since)):
                    return found
            trouble = ""
        except sa.exc.OperationalError as error:
            if not trouble:
                console.print(f"the database does not answer: {error.orig}", style="red", markup=False)
            trouble = str(error)
        time.sleep(_LOOK)
    console.print(f"no alert arrived on all three channels within {_PATIENCE:g} s", style="red")
    return None


if __name__ == "__main__":
    sys.exit(main())
