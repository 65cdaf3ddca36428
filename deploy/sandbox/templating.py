"""The sandbox's HTML: the pages of ``templates/``, one file a site or provider, escaped, compiled once."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import DictLoader, Environment, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER: Final = Path(__file__).parent
STATIC: Final = _FOLDER / "static"
_PAGE: Final = re.compile(r"^\{# page: (\w+) #\}\n", re.MULTILINE)  # what stands before each page of a file


def _read_pages() -> Iterator[tuple[str, str]]:
    """Yield each page with its name, which is its file's and its own: ``ezbooking/calendar``."""
    for file in (_FOLDER / "templates").glob("*.html"):
        _, *told = _PAGE.split(file.read_text(encoding="utf-8"))
        yield from zip((f"{file.stem}/{name}" for name in told[::2]), told[1::2], strict=True)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=DictLoader(dict(_read_pages())),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["euros"] = lambda cents: f"{cents // 100},{cents % 100:02} €"
    made.filters["day"] = lambda seconds: f"{datetime.fromtimestamp(seconds, UTC):%d/%m/%Y}"
    return made


def render(template: str, **values: object) -> str:
    """Return a page of ``templates/`` filled in."""
    return _environment().get_template(template).render(**values)
