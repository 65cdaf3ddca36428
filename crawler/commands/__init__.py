"""Base of the Scrapy commands: their help as class attributes, and errors that a person can act on.

Scrapy makes a command of each class in this package that derives from ScrapyCommand, so this one does not.
"""

import argparse
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa

from configs.ground.strict_yaml import ConfigFileError
from configs.settings import SettingMissing, SettingsRefused
from configs.world.prefecture import UnknownDesk, UnknownPrefecture
from crawler.catalogue import WrongArgument


class OperatorCommand(ABC):
    """A command that crawls nothing.

    An error of ERRORS, or a database that is away, ends it with exit code 1 and words that say what to do.
    """

    requires_crawler_process = False
    default_settings: ClassVar[dict[str, Any]] = {"LOG_ENABLED": False}
    SYNTAX: ClassVar[str] = ""  # the arguments
    SHORT: ClassVar[str]  # the line that `scrapy` shows
    ERRORS: ClassVar[tuple[type[Exception], ...]] = (
        ConfigFileError,
        SettingMissing,
        SettingsRefused,
        UnknownDesk,
        UnknownPrefecture,
        WrongArgument,
    )

    def syntax(self) -> str:
        """Return the arguments."""
        return self.SYNTAX

    def short_desc(self) -> str:
        """Return the line that `scrapy` shows."""
        return self.SHORT

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Carry the command out."""
        try:
            self.carry_out(args, opts)
        except self.ERRORS as error:
            raise self.make_exit(str(error)) from None
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            away = str(error).splitlines()[0]
            raise self.make_exit(f"the database is away, nothing was changed: {away}") from None

    @abstractmethod
    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:
        """Do what the command is for."""

    def make_exit(self, why: str) -> SystemExit:
        """Return the end of this command with a text on standard error."""
        return SystemExit(f"scrapy {self.__module__.rpartition('.')[2]}: {why}")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of as many texts each as lines, their columns beneath each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def show(text: str) -> None:
    """Print the text; a reader that stops early (`| head`) is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the end
