"""TEST_PERIODS, the variable that changes constants of the product in tests and the sandbox."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

VARIABLE = "TEST_PERIODS"
_ROOT = Path(__file__).parents[2]
_PACKAGES = ("api", "configs", "crawler", "deploy/backup", "deploy/metrics", "notifier")
_DEFINED = re.compile(r'Constant\(\s*"(\w+)"')
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@lru_cache(maxsize=1)
def list_constants() -> frozenset[str]:
    """Return the names of all constants that TEST_PERIODS may change, as the source has them."""
    files = (file for package in _PACKAGES for file in (_ROOT / package).rglob("*.py"))
    return frozenset(name for file in files for name in _DEFINED.findall(file.read_text("utf-8")))


def gather(variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose constants, which stood there as variables, are in TEST_PERIODS.

    An empty one is taken out of it: the product's own value counts.

    Raises:
        ValueError: TEST_PERIODS itself names others.
    """
    names = list_constants()
    changed = json.loads(variables.get(VARIABLE) or "{}")
    if unknown := changed.keys() - names:
        raise ValueError(f"{VARIABLE} names no constant: {', '.join(sorted(unknown))}")
    changed |= {name: _read_value(value) for name, value in variables.items() if name in names}
    changed = {name: value for name, value in changed.items() if value is not None}
    others = {name: value for name, value in variables.items() if name not in names}
    return others | ({VARIABLE: json.dumps(changed)} if changed or VARIABLE in others else {})


def _read_value(text: str) -> Any:
    """Read a number, `90d`, or waits with commas between them; None where there is nothing."""
    if "," in text:
        return [float(each) for each in text.split(",")]
    if text[-1:] in _UNITS:
        return int(text[:-1]) * _UNITS[text[-1]]
    return json.loads(text) if text else None
