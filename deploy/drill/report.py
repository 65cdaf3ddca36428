"""Report of the steps: a table at the terminal, and .state/drill.json."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.drill.step import Step, StepResult, StepState
from tests.lab.bench.report import describe_machine

_STYLES = {StepState.HELD: "green", StepState.FAILED: "red", StepState.MISSING: "yellow"}


def print_table(console: Console, steps: Mapping[str, Step], results: Sequence[StepResult]) -> None:
    """Print each step with its time, all of them together, and each one's line."""
    table = Table("step", "what", "state", "s")
    for each in results:
        state = f"[{_STYLES[each.state]}]{each.state}[/]"
        table.add_row(each.name, steps[each.name].title, state, f"{each.seconds:.0f}")
    table.add_section()
    table.add_row("", "", "", f"{sum(each.seconds for each in results):.0f}")
    console.print(table)
    for each in results:
        console.print(f"{each.name}: {each.text}", markup=False, soft_wrap=True)


def to_json(command: str, results: Sequence[StepResult]) -> dict[str, Any]:
    """Return the results, with where they come from."""
    steps = [
        {"name": each.name, "state": each.state.value, "seconds": round(each.seconds, 1), "text": each.text}
        for each in results
    ]
    seconds = round(sum(each.seconds for each in results), 1)
    return {"command": command, **describe_machine(), "seconds": seconds, "steps": steps}


def write_report(target: Path, command: str, results: Sequence[StepResult]) -> None:
    """Write the results as JSON."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(to_json(command, results), indent=2, ensure_ascii=False), "utf-8")


def holds(results: Sequence[StepResult], *, allow_missing: bool) -> bool:
    """Whether no step failed, and none was missing unless that is allowed."""
    allowed = {StepState.HELD, StepState.MISSING} if allow_missing else {StepState.HELD}
    return all(each.state in allowed for each in results)
