"""Runs a program in which functions fail: `python -m tests.faulty_program FUNCTION[,…] MODULE [ARGUMENT…]`."""

import importlib
import runpy
import sys
from typing import Any, NoReturn

PERSONAL = (
    "no jean.dupont@example.fr, +33612345678, https://rdvpriority.fr/l/abc?x=1, 203.0.113.7, 'Jean Dupont'"
)


def fail(*_: object, **__: object) -> NoReturn:
    """Fail with personal data in the error's text."""
    raise RuntimeError(PERSONAL)


def break_function(name: str) -> None:
    """Put `fail` in place of a function or method, by its dotted name."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:-1]:
            owner = getattr(owner, part)
        getattr(owner, parts[-1])  # it exists
        setattr(owner, parts[-1], fail)
        return
    raise ModuleNotFoundError(name)


if __name__ == "__main__":
    for function in sys.argv[1].split(",") if sys.argv[1] != "-" else ():
        break_function(function)
    sys.argv[:2] = []
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
