"""Report of a simulation: one screen of tables."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.simulation.metrics import Figures
from deploy.simulation.replay import MUST, RECORDED, Survival, strictest, survived

_FINE = 10  # what is less is shown with two decimals


def show(console: Console, figures: Figures) -> None:
    """Print the figures of a played world."""
    console.print(_table("intervals", figures["intervals"]))
    console.print(_table("release → detection, in seconds", figures["delays"]))
    lines = figures["hosts"] | figures["bans"] | figures["lateness"]
    console.print(_lines(lines | {"checks": _outcomes(figures["outcomes"])}))
    spent = ", ".join(f"{name} {_text(seconds)}" for name, seconds in figures["CPU seconds"].items())
    console.print(
        f"{figures['real seconds']} s, {_text(figures['times faster'])} times faster than real time"
    )
    console.print(f"CPU seconds: {spent}")


def show_replay(console: Console, found: Sequence[Survival]) -> None:
    """Print the ladder of stand-ins: bans, and the most requests that reached one within 60 s."""
    shapes = list(dict.fromkeys(each.rung.shape.name for each in found))
    table = Table(
        "every answer refused after the", *shapes, title="bans (most requests in 60 s)", title_justify="left"
    )
    for name in dict.fromkeys(each.rung.name for each in found):
        cells = [f"{each.bans or '-'} ({each.busiest})" for each in found if each.rung.name == name]
        table.add_row(name, *cells)
    console.print(table)
    rule = strictest(found)
    console.print(f"the strictest rule that is survived: {rule or 'none of these'}")


def failures(found: Sequence[Survival]) -> list[str]:
    """Return which stand-ins that must be survived were not."""
    must = dict.fromkeys(each.rung.name for each in found if each.rung.rules[0] in _must())
    return [name for name in must if not survived(found, name)]


def _must() -> set[Any]:
    return {MUST, *RECORDED}


def _table(title: str, rows: Sequence[Figures]) -> Table:
    table = Table(*rows[0], title=title, title_justify="left")
    for row in rows:
        table.add_row(*map(_text, row.values()))
    return table


def _lines(figures: Figures) -> Table:
    table = Table(show_header=False)
    for name, value in figures.items():
        table.add_row(name, _text(value))
    return table


def _outcomes(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in outcomes.items())


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if value < _FINE else f"{value:.0f}"
    return "-" if value is None else str(value)
