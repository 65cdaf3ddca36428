"""Where figures go: the terminal, .state/bench.json, and the table of docs/benchmarks.md."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from configs.clock import clock
from deploy.bench.figures import Figure

PAPER = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
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
    told = {"command": command, **_where(), "figures": values, "missed": missed}
    target.write_text(json.dumps(told, indent=2, ensure_ascii=False), "utf-8")


def write(command: str, figures: Figures, paper: Path = PAPER) -> None:
    """Put the table between the marks of docs/benchmarks.md."""
    text = paper.read_text("utf-8")
    head, rest = text.split(_BEGIN)
    tail = rest.split(_END)[1]
    paper.write_text(f"{head}{_BEGIN}\n{_markdown(command, figures)}\n{_END}{tail}", "utf-8")


def _markdown(command: str, figures: Figures) -> str:
    told = _where()
    machine = f"{told['cores']} cores, {told['memory_gb']} GB, {told['system']}, Python {told['python']}"
    said = f"`{command}`, {told['date'][:16].replace('T', ' ')} UTC: {machine}."
    rows = ["| " + " | ".join(_COLUMNS) + " |", "| --- " * len(_COLUMNS) + "|"]
    for title, part in figures.items():
        rows.append(f"| **{title}** | | | |")
        rows += ["| " + " | ".join(_row(figure)) + " |" for figure in part]
    return "\n".join([said, "", *rows])


def _row(figure: Figure) -> tuple[str, str, str, str]:
    return figure.name, str(figure.goal or ""), figure.shown, figure.verdict


def _where() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": clock().isoformat(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "system": platform.platform(terse=True),
    }
