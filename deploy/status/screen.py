"""The screen: which parts there are, what each is called, and how they are laid out."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.health.check_lateness import read_lateness
from api.health.desk_overview import read_desks
from api.health.discovery_overview import read_discovery
from api.health.health_checks import PartState
from api.health.host_overview import read_hosts, read_outages
from api.health.message_overview import read_messages, read_providers
from configs.clock import clock
from configs.settings import settings
from deploy.status import (
    desks,
    discovery,
    due,
    health,
    hosts,
    jobs,
    lateness,
    messages,
    programs,
    proofs,
)
from deploy.status.parallel_probe import ProbeDown, ask
from deploy.status.text import BAD, GOOD, line

Parts = dict[str, Any]
_LABEL = 9  # columns


@dataclass(frozen=True, slots=True)
class ScreenPart:
    """The functions that read a part and turn it into lines."""

    read: Callable[[], Any]
    lines: Callable[[Any], list[Text]]


_EVERYWHERE: Mapping[str, ScreenPart] = {
    "health": ScreenPart(health.read_health, health.lines),
    "desks": ScreenPart(read_desks, desks.lines),
    "hosts": ScreenPart(read_hosts, hosts.lines),
    "outages": ScreenPart(read_outages, hosts.outage_lines),
    "due": ScreenPart(due.read_due, due.lines),
    "lateness": ScreenPart(read_lateness, lateness.lines),
    "jobs": ScreenPart(jobs.read_jobs, jobs.lines),
    "messages": ScreenPart(read_messages, messages.lines),
    "providers": ScreenPart(read_providers, messages.provider_lines),
    "proofs": ScreenPart(proofs.read_proofs, proofs.lines),
    "discovery": ScreenPart(read_discovery, discovery.lines),
    "spiders": ScreenPart(programs.read_spiders, programs.spider_lines),
    "workers": ScreenPart(programs.read_workers, programs.worker_lines),
}


def ask_all(state: Path | None) -> Parts:
    """Ask every part; of a local stack (`state` is its folder) also its supervisor."""
    reads = {name: part.read for name, part in _EVERYWHERE.items()}
    if state:
        reads["programs"] = partial(programs.read_programs, state)
    return ask(reads)


def trouble(parts: Parts) -> list[str]:
    """Return what is down: parts of health by their names, and parts that could not be asked."""
    silent = [name for name, found in parts.items() if isinstance(found, ProbeDown)]
    found = parts["health"]
    if isinstance(found, ProbeDown):
        return silent
    return silent + [each.name for each in found if each.state is PartState.DOWN]


def show(console: Console, parts: Parts) -> None:
    """Print all parts, within the console's width."""
    down = trouble(parts)
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
    if isinstance(found, ProbeDown):
        return [line((f"down: {found.down}", BAD))]
    part = _EVERYWHERE.get(name)
    return part.lines(found) if part else programs.program_lines(found)


def as_json(parts: Parts) -> dict[str, Any]:
    """Return the same for programs: instants as ISO 8601 in UTC, ages in seconds."""
    down = trouble(parts)
    told = {name: _plain(found) for name, found in parts.items()}
    return {
        "at": clock().isoformat(),
        "environment": settings().app_env,
        "works": not down,
        "down": down,
        **told,
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value
