"""Report of the figures: a table to the terminal, as docs/benchmarks.md has it, and .state/bench.json."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.ground.clock import clock
from tests.lab.bench.figures import Figure

Figures = Mapping[str, Sequence[Figure]]


def show(command: str, figures: Figures) -> None:
    """Print the table, in Markdown: each part with where it was taken."""
    told = describe_machine()
    where = f"{told['cores']} cores, {told['memory_gb']} GB, {told['python']}"
    said = f"`{command}`, {told['date'][:16].replace('T', ' ')} UTC: {where}"
    print("| figure | goal | measured | met |\n| --- | --- | --- | --- |")
    for title, part in figures.items():
        print(f"| **{title}** ({said}) | | | |")
        for each in part:
            print(f"| {each.name} | {each.goal} | {each.shown} | {each.verdict} |")


def keep(target: Path, command: str, figures: Figures) -> None:
    """Write all figures, with where they were taken, as JSON."""
    values = {figure.name: figure.value for part in figures.values() for figure in part}
    missed = [figure.name for part in figures.values() for figure in part if figure.verdict == "no"]
    target.parent.mkdir(parents=True, exist_ok=True)
    told = {"command": command, **describe_machine(), "figures": values, "missed": missed}
    target.write_text(json.dumps(told, indent=2, ensure_ascii=False), "utf-8")


def describe_machine() -> dict[str, Any]:
    """Return what figures depend on: when and where they were taken."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    of_system = " of the system" if sys.base_prefix == "/usr" else ""  # others may be slower builds
    return {
        "date": clock().isoformat(),
        "python": f"Python {platform.python_version()}{of_system}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "system": platform.platform(terse=True),
    }
