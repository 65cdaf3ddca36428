"""Terminal view of a stack: how it starts, the addresses to open, the live feed."""

import os
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console

from api.models.base import session
from configs.ground.clock import clock
from deploy.local.demo import find_arrival, summarise
from deploy.local.live_feed import LiveFeed, heading, render
from deploy.local.ports import StackPorts, usual
from deploy.local.processes import StartFailed
from deploy.local.seed import EMAIL, PASSWORD, seed
from deploy.local.stack import Stack, begin_world, running, wait_ready
from deploy.local.state_dir import LOGS, AlreadyRunning, StateUnusable, folder
from deploy.sandbox.addresses import STRIPE, url

_LOOK = 0.2  # seconds between two looks at the tables
_WIDTH = 170  # columns where the output is no terminal
_PATIENCE = 90.0  # seconds that `demo` waits for an alert once everything stands


def show(what: str, *, any_port: bool) -> int:
    """Run a stack and show it, for ever or (`demo`) until an alert arrived; return the exit code of `main`.

    Raises:
        deploy.local.signals.Stopped: somebody asked us to stop.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    try:
        return _run(console, usual(any_port=any_port), until_arrival=what == "demo")
    except (AlreadyRunning, StartFailed, StateUnusable) as refusal:
        Console(stderr=True, soft_wrap=True, highlight=False).print(str(refusal), style="red", markup=False)
        return 2


def _run(console: Console, ports: StackPorts, *, until_arrival: bool) -> int:
    began, since = time.monotonic(), clock()
    console.print("starting PostgreSQL, Redis, the stand-ins and the programs …", style="dim")
    with running(folder(), ports, lambda text: console.print(text, style="yellow", markup=False)) as stack:
        os.environ.update(stack.environment)
        wait_ready(stack)
        seed(stack)
        begin_world(stack)  # who waits is known by then, and who tells them
        console.print(f"everything stands after {time.monotonic() - began:.1f} s", style="dim")
        _introduce(console, stack.ports, stack.state / LOGS)
        found = _follow(console, stack, since, seconds=_PATIENCE if until_arrival else None)
        if found:
            summarise(console, found)
        else:
            console.print(f"no alert arrived on all three channels within {_PATIENCE:g} s", style="red")
    return 0 if found else 1


def _introduce(console: Console, ports: StackPorts, logs: Path) -> None:
    """Print the addresses to open."""
    console.print("\n[bold]RDVPriority[/], with stand-ins for every site and provider\n")
    for what, where in {
        "front": f"http://127.0.0.1:{ports.api}/",
        "inbox, booking sites": f"http://127.0.0.1:{ports.inbox}/",
        "API, its page": f"http://127.0.0.1:{ports.api}/api/docs",
        "health": f"http://127.0.0.1:{ports.api}/api/health",
        "Stripe's stand-in": f"{url(STRIPE, ports.providers)}/_control",
        "a booking site": f"http://127.77.0.91:{ports.sites}/booking/create/23014",
        "account": f"{EMAIL} / {PASSWORD}",
        "logs": str(logs),
    }.items():
        console.print(f"  [bold]{what:<21}[/]{where}", soft_wrap=True)
    console.print("\n  Ctrl-C stops everything\n")
    console.print(heading(console.width), no_wrap=True)


def _follow(
    console: Console, stack: Stack, since: datetime, *, seconds: float | None = None
) -> Sequence[Any]:
    """Print what happens; with a time, return the first alert since then that arrived everywhere, or nothing.

    Raises:
        deploy.local.processes.StartFailed: the programs ended.
    """
    feed, away = LiveFeed(), False
    end = time.monotonic() + seconds if seconds else None
    while end is None or time.monotonic() < end:
        for said in stack.look_after():
            console.print(said, style="yellow", markup=False)
        try:
            with session() as s:
                for event in feed.read_new(s):
                    console.print(render(event, console.width), no_wrap=True, overflow="ellipsis")
                found = find_arrival(s, since) if end else ()
            if found:
                return found
            away = False
        except sa.exc.OperationalError as error:
            if not away:
                console.print(f"the database does not answer: {error.orig}", style="red", markup=False)
            away = True
        time.sleep(_LOOK)
    return ()
