"""Checks of the files by Prometheus' own tools: promtool and amtool."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.alarm_check.expressions import (
    ALERTMANAGER,
    PROMETHEUS,
    RULE_TESTS,
    list_alarms,
    list_rule_expressions,
)
from deploy.alarm_check.expressions import list_panel_expressions as list_panels

_SECONDS = 120


class CheckFailed(Exception):
    """Something does not hold; the text says what."""


def check_files(tools: Mapping[str, str]) -> str:
    """Check the configurations and the rules, and play each alarm's test; return a line of figures.

    Raises:
        CheckFailed: a tool found something; the text is what it says.
    """
    tests = sorted(RULE_TESTS.glob("*.yaml"))
    _run(tools["promtool"], "check", "config", PROMETHEUS)
    _run(tools["promtool"], "test", "rules", *tests)
    _run(tools["amtool"], "check-config", ALERTMANAGER)
    numbers = len(list_alarms()), len(list_rule_expressions()), len(list_panels())
    return "{} alarms fire and close, {} rules, {} queries of panels".format(*numbers)


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    if done.returncode:
        raise CheckFailed(f"{' '.join(map(str, command[:3]))}:\n{done.stdout}{done.stderr}")
