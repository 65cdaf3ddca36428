"""Report of the figures: to the terminal, .state/bench.json, and the table of docs/benchmarks.md."""

import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from configs.ground.clock import clock
from tests.lab.bench.figures import Figure

PAPER = Path(__file__).resolve().parents[3] / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- make bench: begin -->", "<!-- make bench: end -->"
_COLUMNS = ("figure", "goal", "measured", "met")

Figures = Mapping[str, Sequence[Figure]]


def show(console: Console, figures: Figures) -> None:
    """Print the table."""
    table = Table(*_COLUMNS)
    for title, part in figures.items():
        table.add_section()
        table.add_row(f"[bold]{title}[/]")
        for row in map(_row, part):
            table.add_row(*row)
    console.print(table)


def keep(target: Path, command: str, figures: Figures) -> None:
    """Write all figures, with where they were taken, as JSON."""
    values = {figure.name: figure.value for part in figures.values() for figure in part}
    missed = [figure.name for part in figures.values() for figure in part if figure.verdict == "no"]
    target.parent.mkdir(parents=True, exist_ok=True)
    told = {"command": command, **describe_machine(), "figures": values, "missed": missed}
    target.write_text(json.dumps(told, indent=2, ensure_ascii=False), "utf-8")


def write(command: str, figures: Figures, paper: Path = PAPER) -> None:
    """Put the parts that were measured between the marks of docs/benchmarks.md; the others stay as they stand."""
    text = paper.read_text("utf-8")
    head, rest = text.split(_BEGIN)
    before, tail = rest.split(_END)
    parts = _parts(before) | {title: _part(command, title, part) for title, part in figures.items()}
    heading = ["| " + " | ".join(_COLUMNS) + " |", "| --- " * len(_COLUMNS) + "|"]
    table = [*heading, *(line for part in parts.values() for line in part)]
    paper.write_text("\n".join([f"{head}{_BEGIN}", *table, f"{_END}{tail}"]), "utf-8")


def _parts(table: str) -> dict[str, list[str]]:
    """Return the lines of a written table, by the title of their part."""
    parts: dict[str, list[str]] = {}
    for line in table.splitlines():
        if title := re.match(r"\| \*\*(.+?)\*\*", line):
            parts[title[1]] = []
        if parts:
            parts[list(parts)[-1]].append(line)
    return parts


def _part(command: str, title: str, part: Sequence[Figure]) -> list[str]:
    told = describe_machine()
    machine = f"{told['cores']} cores, {told['memory_gb']} GB, {told['python']}"
    said = f"`{command}`, {told['date'][:16].replace('T', ' ')} UTC: {machine}"
    return [f"| **{title}** ({said}) | | | |", *("| " + " | ".join(_row(figure)) + " |" for figure in part)]


def _row(figure: Figure) -> tuple[str, str, str, str]:
    return figure.name, str(figure.goal or ""), figure.shown, figure.verdict


def _describe_python() -> str:
    """Return the interpreter's version, and whether it is the system's: others may be slower builds."""
    return f"Python {platform.python_version()}{' of the system' if sys.base_prefix == '/usr' else ''}"


def describe_machine() -> dict[str, Any]:
    """Return what figures depend on: when and where they were taken."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": clock().isoformat(),
        "python": _describe_python(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "system": platform.platform(terse=True),
    }
