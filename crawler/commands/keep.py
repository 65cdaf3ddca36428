"""`scrapy keep`: the keeper's loop."""

import argparse

from scrapy.commands import ScrapyCommand

from crawler.spider_processes.command_setup import prepare, until_stopped


class Command(ScrapyCommand):
    """Makes scrapyd run what should run."""

    requires_project = True
    requires_crawler_process = False

    def short_desc(self) -> str:
        """Return the line that `scrapy` shows."""
        return "Keep the spiders running under scrapyd, for ever"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:  # noqa: ARG002 -- Scrapy passes them
        """Keep until SIGTERM or SIGINT."""
        from crawler.keeper import Keeper  # noqa: PLC0415
        from crawler.proofs.status import watch_spool  # noqa: PLC0415
        from crawler.scheduling import due_queue  # noqa: PLC0415 -- scrapy loads every command's file for any command
        from crawler.spider_processes.scrapyd_client import Scrapyd  # noqa: PLC0415

        prepare("keeper", args, "redis_url", "scrapyd_password")
        with due_queue.connect() as client:
            stop = until_stopped()
            watch_spool(client, stop)
            Keeper(Scrapyd.from_settings(), client).run(stop)
