"""The sandbox's HTML: templates from the folder beside this file, escaped, compiled once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER: Final = Path(__file__).parent
STATIC: Final = _FOLDER / "static"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def add_filter(name: str, write: Callable[..., str]) -> None:
    """Let templates write values by a function."""
    _environment().filters[name] = write


def render(template: str, **values: object) -> str:
    """Return a template of ``templates/`` filled in."""
    return _environment().get_template(template).render(**values)


def static(name: str) -> str:
    """Return a text file of ``static/``."""
    return (STATIC / name).read_text(encoding="utf-8")
