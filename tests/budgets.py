"""A pytest plugin: how long each part of the tests took, beside its budget, and which single tests are slow.

It only tells: a machine that is busy must not fail a test. `make test` as a whole has the budget of its issue.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

import pytest

BUDGETS = {
    "api": 800,
    "browser": 45,
    "configs": 70,
    "crawler": 580,
    "deploy": 80,
    "model": 52,
    "mutation": 60,
    "notifier": 150,
    "processes": 170,
}
SLOW = 10.0  # seconds; a single test outside `processes` that takes longer is listed


def part_of(report: pytest.TestReport) -> str:
    """Return which part a test counts for: `processes` by its mark, else its folder under tests/."""
    if "processes" in report.keywords:
        return "processes"
    parts = PurePosixPath(report.nodeid.partition("::")[0]).parts
    return parts[1] if len(parts) > 2 else "rest"


def seconds_of(reports: Iterable[pytest.TestReport]) -> dict[str, float]:
    """Return the seconds of each part, set-up and tear-down included."""
    spent: dict[str, float] = defaultdict(float)
    for report in reports:
        spent[part_of(report)] += report.duration
    return dict(spent)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, and each test that passed only when it was tried again: that is a finding about the test."""
    for report in terminalreporter.stats.get("rerun", []):
        crash = getattr(report.longrepr, "reprcrash", None)
        terminalreporter.write_line(f"tried again: {report.nodeid}: {crash.message if crash else ''}")
    reports = [
        r for kind in terminalreporter.stats.values() for r in kind if isinstance(r, pytest.TestReport)
    ]
    if len(reports) < len(BUDGETS):
        return
    terminalreporter.section("seconds of work per part (budget)")
    for part, seconds in sorted(seconds_of(reports).items()):
        budget = BUDGETS.get(part)
        over = "  OVER" if budget and seconds > budget else ""
        terminalreporter.write_line(f"{part:<12}{seconds:8.1f}{f' ({budget})' if budget else '':<8}{over}")
    slow = [r for r in reports if r.duration > SLOW and part_of(r) != "processes"]
    for report in sorted(slow, key=lambda r: -r.duration):
        terminalreporter.write_line(f"slow: {report.duration:5.1f} s  {report.nodeid} ({report.when})")
