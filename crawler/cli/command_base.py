"""Base class of our Scrapy commands: their help as class attributes, and errors that a person can act on."""

import argparse
import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from scrapy.commands import ScrapyCommand

from configs.ground.strict_yaml import ConfigFileError
from configs.settings import SettingMissing, SettingsRefused
from configs.world.prefecture import UnknownDesk, UnknownPrefecture
from crawler.cli.arguments import WrongArgument

T = TypeVar("T")


class OperatorCommand(ScrapyCommand):
    """A command that crawls nothing. An error of ERRORS ends it with exit code 1 and the error's words."""

    requires_crawler_process = False
    default_settings: ClassVar[dict[str, Any]] = {"LOG_ENABLED": False}
    SYNTAX: ClassVar[str]  # the arguments
    SHORT: ClassVar[str]  # the line that `scrapy` shows
    ERRORS: ClassVar[tuple[type[Exception], ...]] = (
        ConfigFileError,
        SettingMissing,
        SettingsRefused,
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

    @abstractmethod
    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:
        """Do what the command is for."""

    def make_exit(self, why: str) -> SystemExit:
        """Return the end of this command with a text on standard error."""
        return SystemExit(f"scrapy {self.__module__.rpartition('.')[2]}: {why}")

    def change_rows(self, change: Callable[[], str]) -> str:
        """Return what `change` returns, which writes to the database.

        Raises:
            SystemExit: no such host or desk, or the database is away; the text says what to do.
        """
        try:
            return self.ask_database(change, "nothing was changed")
        except (UnknownDesk, ValueError) as error:
            raise self.make_exit(str(error)) from None

    def ask_database(self, ask: Callable[[], T], otherwise: str) -> T:
        """Return what `ask` returns.

        Raises:
            SystemExit: the database is away; the text says so, and what that means (`otherwise`).
        """
        import sqlalchemy as sa  # noqa: PLC0415 -- scrapy loads every command's file for any command

        try:
            return ask()
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            away = str(error).splitlines()[0]
            raise self.make_exit(f"the database is away, {otherwise}: {away}") from None


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of as many texts each as lines, their columns beneath each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def show(text: str) -> None:
    """Print the text; a reader that stops early (`| head`) is no error."""
    try:
        print(text, flush=True)  # noqa: T201 -- it is run at a terminal
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the end
