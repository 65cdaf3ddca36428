"""The screen: which parts there are, what each is called, and how they are laid out."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.health.parallel_probe import ProbeDown, ask
from api.health.status_report import READS, Parts, find_trouble, to_plain
from configs.clock import clock
from configs.settings import settings
from deploy.status import (
    alarms,
    desks,
    discovery,
    due,
    health,
    hosts,
    job_runs,
    jobs,
    lateness,
    messages,
    payments,
    programs,
    proofs,
)
from deploy.status.text import BAD, GOOD, line

_LABEL = 9  # columns
_LINES: Mapping[str, Callable[[Any], list[Text]]] = {
    "health": health.lines,
    "alarms": alarms.lines,
    "desks": desks.lines,
    "hosts": hosts.lines,
    "outages": hosts.outage_lines,
    "due": due.lines,
    "lateness": lateness.lines,
    "jobs": jobs.lines,
    "runs": job_runs.lines,
    "messages": messages.lines,
    "providers": messages.provider_lines,
    "payments": payments.lines,
    "proofs": proofs.lines,
    "discovery": discovery.lines,
    "spiders": programs.spider_lines,
    "workers": programs.worker_lines,
    "programs": programs.program_lines,
}


def ask_all(state: Path | None) -> Parts:
    """Ask every part; of a local stack (`state` is its folder) also its supervisor."""
    return ask(READS | ({"programs": partial(programs.read_programs, state)} if state else {}))


def show(console: Console, parts: Parts) -> None:
    """Print all parts, within the console's width."""
    down = find_trouble(parts)
    state = (f"DOWN: {', '.join(down)}", BAD) if down else ("works", GOOD)
    now = f"{clock():%Y-%m-%d %H:%M:%S} UTC"
    head = Table.grid(padding=(0, 2))
    head.add_column(no_wrap=True)
    head.add_column(overflow="fold")
    head.add_row(line(("RDVPriority", "bold"), f"  {settings().app_env}  {now}"), line(state))
    console.print(head)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_LABEL, style="bold")
    grid.add_column(overflow="fold")
    for name, found in parts.items():
        for number, text in enumerate(_part_lines(name, found)):
            grid.add_row("" if number else name, text)
    console.print(grid)


def _part_lines(name: str, found: Any) -> list[Text]:
    return [line((f"down: {found.down}", BAD))] if isinstance(found, ProbeDown) else _LINES[name](found)


def as_json(parts: Parts) -> dict[str, Any]:
    """Return the same for programs: instants as ISO 8601 in UTC, ages in seconds."""
    down = find_trouble(parts)
    told: dict[str, Any] = to_plain(parts)
    return {
        "at": to_plain(clock()),
        "environment": settings().app_env,
        "works": not down,
        "down": down,
        **told,
    }
