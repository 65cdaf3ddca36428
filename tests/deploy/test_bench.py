"""The figures of the benchmark: percentiles, goals and the table in docs/benchmarks.md."""

import json
from pathlib import Path

import pytest

from deploy.bench.figures import Figure, Goal, at_least, at_most, below, percentile
from deploy.bench.report import keep, write

FIGURES = {
    "crawl": [Figure("pages/s", 512.3), Figure("ratio", 1.25, at_least(1.3))],
    "idle": [Figure("MB", 650, at_most(900))],
}


@pytest.mark.parametrize(
    ("goal", "values"),
    [(at_least(2), (1.9, 2.0, 2.1)), (at_most(2), (2.1, 2.0, 1.9)), (below(2), (2.0, 1.99, 1.9))],
)
def test_a_goal_is_met_or_not(goal: Goal, values: tuple[float, ...]) -> None:
    assert [Figure("x", value, goal).verdict for value in values] == ["no", "yes", "yes"]


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([3, 1, 2], percent) for percent in (0, 50, 99, 100)] == [1, 2, 3, 3]


def test_what_was_missed_is_named(tmp_path: Path) -> None:
    keep(tmp_path / "new" / "bench.json", "make bench", FIGURES)
    told = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert told["figures"] == {"pages/s": 512.3, "ratio": 1.25, "MB": 650}
    assert told["missed"] == ["ratio"]
    assert told["command"] == "make bench"


def test_the_table_stands_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    paper = tmp_path / "benchmarks.md"
    paper.write_text("above\n<!-- make bench: begin -->\nold\n<!-- make bench: end -->\nbelow\n")
    write("make bench", FIGURES, paper)
    write("make bench", FIGURES, paper)
    lines = paper.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("above", "below")
    assert "| ratio | ≥ 1.3 | 1.25 | no |" in lines
    assert "| pages/s |  | 512 |  |" in lines
    assert "old" not in lines
    assert len([line for line in lines if line.startswith("| **crawl** (`make bench`, ")]) == 1


def test_parts_that_were_not_measured_stay_as_they_stand(tmp_path: Path) -> None:
    paper = tmp_path / "benchmarks.md"
    paper.write_text("<!-- make bench: begin -->\n<!-- make bench: end -->\n")
    write("make bench", FIGURES, paper)
    before = paper.read_text().splitlines()
    write("make bench ARGS='--only idle'", {"idle": [Figure("MB", 700, at_most(900))]}, paper)
    after = paper.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert ["--only idle" in new for _, new in changed] == [True, False]
    assert changed[1][1] == "| MB | ≤ 900 | 700 | yes |"
