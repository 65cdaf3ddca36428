"""`scrapy newplatform NAME`: begins a platform, with every file that it needs to be filled in."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, ClassVar

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from crawler.catalogue import systems
from crawler.platform_detection.scaffold import NotWritten, write

_ROOT = Path(__file__).parents[2]
_LEFT = """\
Fill in what says "Fill in", then:
  pages with hours also as slots_of_the_autumn_clock_change, slots_of_the_spring_clock_change and slots_overseas
  GOLDEN=write pytest tests/crawler/test_golden.py     # read what it writes before you commit it
  a desk of the stand-in in deploy/sandbox/prefectures/ with its host's budget (hosts),
  generated answers in tests/crawler/platforms/test_{name}.py,
  what proves its answers in tests/mutation/oracle.py (EVIDENCE)
  pytest tests/crawler/test_fleet.py tests/deploy/sandbox        # the first fails until all of it is there
How: docs/adding-a-platform.md"""


class Command(ScrapyCommand):
    """Writes the files and prints what is left to do."""

    requires_project = True
    requires_crawler_process = False
    default_settings: ClassVar[dict[str, Any]] = {"LOG_ENABLED": False}

    def short_desc(self) -> str:
        """Return the line that `scrapy` shows."""
        return "Begin a platform: reader, golden pages, stand-in and page, to be filled in"

    def syntax(self) -> str:
        """Return the arguments."""
        return "NAME [--system SYSTEM]"

    def add_options(self, parser: ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument(
            "--system",
            choices=systems(),
            default="custom",
            help="the booking system whose spider checks it (custom unless given)",
        )

    def run(self, args: list[str], opts: Namespace) -> None:
        """Write all files, or none where something is wrong."""
        if len(args) != 1 or args[0].startswith("-"):
            raise UsageError(f"expected NAME, not {' '.join(args) or 'nothing'}")
        try:
            written = write(_ROOT, args[0], opts.system)
        except NotWritten as error:
            raise UsageError(str(error), print_help=False) from error
        except OSError as error:
            raise UsageError(f"cannot write {error.filename}: {error.strerror}", print_help=False) from error
        print(*written, "", _LEFT.format(name=args[0]), sep="\n")
