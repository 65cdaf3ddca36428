"""`scrapy plan`: the loops of the planner, of the keeper and of incidents."""

import argparse

from scrapy.commands import ScrapyCommand

from crawler.loops import plan, plan_once


class Command(ScrapyCommand):
    """Decides which desks are due how often, keeps the spiders running, and tells of troubles."""

    requires_project = True
    requires_crawler_process = False

    def short_desc(self) -> str:
        """Return the line that `scrapy` shows."""
        return "Plan which desks are checked how often, for ever (--once: one look)"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--once", action="store_true", help="look at the tables once and end")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Plan and tell until SIGTERM or SIGINT."""
        if opts.once:
            print(f"{plan_once(args)} desks planned")
        else:
            plan(args)
