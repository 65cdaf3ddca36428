"""The screen: each part of the status with its lines, and the same as JSON."""

from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.admin.health.lines import BAD, GOOD, WARN, Line, Words, list_lines
from api.admin.health.status_report import Parts, find_trouble, read_health, read_parts, to_plain
from configs.ground.clock import clock
from configs.settings import settings
from deploy.status.programs import read_programs

_STYLES = {GOOD: "green", WARN: "yellow", BAD: "bold red"}
_LABEL = 9  # columns
_SHOWN = 4  # lines of a list that may be long
_WORDS = Words(
    empty={
        "alarms": "none open",
        "due": "nothing is scheduled",
        "discovery": "no walk yet",
        "hosts": "all asked as usual",
        "lateness": "no desk was checked twice within the hour",
        "newest_check_at": "never",
        "proofs": "nobody speaks of them: does `python -m crawler.proofs` run?",
        "providers": "nothing in 15 min",
        "runs": "none was due lately",
        "spiders": "none speaks: nothing is checked",
        "workers": "none: nobody is told",
    }
)


def ask_all(state: Path | None) -> Parts:
    """Ask every part; of a local stack (`state` is its folder) also its supervisor."""
    return read_parts(read_health, {"programs": partial(read_programs, state)} if state else None)


def show(console: Console, parts: Parts) -> None:
    """Print all parts, within the console's width."""
    down = find_trouble(parts)
    state = Text(f"DOWN: {', '.join(down)}", "bold red") if down else Text("works", "green")
    head = Table.grid(padding=(0, 2))
    head.add_column(no_wrap=True)
    head.add_column(overflow="fold")
    now = f"{clock():%Y-%m-%d %H:%M:%S} UTC"
    head.add_row(Text.assemble(("RDVPriority", "bold"), f"  {settings().app_env}  {now}"), state)
    console.print(head)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_LABEL, style="bold")
    grid.add_column(overflow="fold")
    for name, found in parts.items():
        for number, line in enumerate(list_lines(name, found, _WORDS, _SHOWN)):
            grid.add_row("" if number else name, _color(line))
    console.print(grid)


def _color(line: Line) -> Text:
    return Text(" · ").join(Text(piece.text, _STYLES.get(piece.tone, "")) for piece in line)


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
