"""Commands as a person gives them, in the tests' own process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scrapy.cmdline import execute
from scrapy.settings import Settings

Run = Callable[..., tuple[int, str, str]]


def command(*arguments: str | Path) -> int | str:
    """Run `scrapy …`; return its exit code, or the words with which it ends."""
    with pytest.raises(SystemExit) as left:
        execute(["scrapy", *map(str, arguments)], Settings({"COMMANDS_MODULE": "crawler.commands"}))
    return left.value.code or 0


def scrapy(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Run `scrapy …`; return its exit code, standard output and standard error."""
    code = command(*arguments)
    shown = capsys.readouterr()
    return int(code), shown.out, shown.err
