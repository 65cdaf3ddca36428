"""`scrapy keep`: the keeper's loop."""

import argparse

from scrapy.commands import ScrapyCommand

from crawler.loops import keep


class Command(ScrapyCommand):
    """Makes scrapyd run what should run."""

    requires_project = True
    requires_crawler_process = False

    def short_desc(self) -> str:
        """Return the line that `scrapy` shows."""
        return "Keep the spiders running under scrapyd, for ever"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:  # noqa: ARG002 -- Scrapy passes them
        """Keep until SIGTERM or SIGINT."""
        keep(args)
