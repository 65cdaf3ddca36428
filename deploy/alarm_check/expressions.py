"""Expressions of the rules and the board, and the names of the metrics in one."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[1]
RULES = DEPLOY / "prometheus" / "rules.yaml"
RULE_TESTS = DEPLOY / "prometheus" / "tests"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
ALERTMANAGER = DEPLOY / "prometheus" / "alertmanager.yml"
BOARD = DEPLOY / "grafana" / "boards" / "rdvpriority.json"

# Words of an expression that name no metric and no function: https://prometheus.io/docs/prometheus/2.42/querying/basics/
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAME = re.compile(r"(?<![\w.:])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_WORDS = frozenset({"and", "or", "unless", "offset", "bool", "inf", "nan"})


@dataclass(frozen=True, slots=True)
class Expression:
    """A query, and where it stands: the alarm's or the panel's name."""

    place: str
    text: str


@cache
def read_rules() -> list[dict[str, Any]]:
    """Return the rules of all groups, as they are written."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def list_alarms() -> list[dict[str, Any]]:
    """Return the rules that raise an alarm."""
    return [rule for rule in read_rules() if "alert" in rule]


def list_recorded() -> set[str]:
    """Return the names of the metrics that rules record."""
    return {rule["record"] for rule in read_rules() if "record" in rule}


@cache
def read_board() -> dict[str, Any]:
    """Return the board of Grafana."""
    board: dict[str, Any] = json.loads(BOARD.read_text("utf-8"))
    return board


def list_rule_expressions() -> list[Expression]:
    """Return the expression of each rule."""
    return [Expression(rule.get("alert") or rule["record"], rule["expr"]) for rule in read_rules()]


def list_panel_expressions() -> list[Expression]:
    """Return each query of each panel."""
    return [
        Expression(panel["title"], target["expr"])
        for panel in read_board()["panels"]
        for target in panel.get("targets", ())
    ]


def find_metrics(expression: str) -> set[str]:
    """Return the names of the metrics in an expression."""
    bare = _LABELS.sub(" ", _BRACKETS.sub(" ", _TEXT.sub('""', expression)))
    return {name for name in _NAME.findall(bare) if name.lower() not in _WORDS}


def find_labels(expression: str) -> set[str]:
    """Return the names of the labels in an expression: those it groups by, and those it selects by."""
    bare = _TEXT.sub('""', expression)
    grouped = [name for group in _LABELS.findall(bare) for name in re.findall(r"\w+", group.split("(", 1)[1])]
    selected = [
        name for braces in re.findall(r"\{([^}]*)\}", bare) for name in re.findall(r"(\w+)\s*[=!]", braces)
    ]
    return {*grouped, *selected}
