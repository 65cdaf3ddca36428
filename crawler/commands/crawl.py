"""`scrapy crawl SYSTEM`: Scrapy's own command, with its arguments checked before anything starts.

Scrapy builds a spider inside its event loop, where a wrong argument would end in a traceback and exit code 0.
"""

import argparse
import logging

from scrapy.commands.crawl import Command as Crawl
from scrapy.spiderloader import get_spider_loader

from api.models.revision import check_tables
from configs.ground.database import database_url
from configs.ground.logs import set_up_logs
from configs.ground.text import list_names
from configs.programs.startup import NotReady
from configs.settings import settings
from crawler.catalogue import WrongArgument, fetch_of
from crawler.commands import OperatorCommand
from crawler.scheduling.due_queue import CrawlQueue
from crawler.url_policy import AddressRefused

_USER_ERRORS: tuple[type[Exception], ...] = (*OperatorCommand.ERRORS, AddressRefused, NotReady)
# At the start of every process they log crawler/settings.py, pages long.
_LOUD = ("scrapy.addons", "scrapy.crawler", "scrapy.middleware", "scrapy.utils.log")


class Command(Crawl):
    """With -a it checks once and reports; without, it serves the due queue (as scrapyd starts it)."""

    def short_desc(self) -> str:
        """Return the line that `scrapy` shows."""
        return "Check desks once (-a prefecture=… procedure=… desk=…) or serve the due queue"

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        """Check the spider's name and arguments; choose how loud the log is."""
        super().process_options(args, opts)
        self.serving = False
        given = self.settings
        if len(args) != 1 or given is None:
            return  # Scrapy's own message
        loader = get_spider_loader(given)
        try:
            if args[0] not in loader.list():
                raise WrongArgument(f"no spider of ours; {list_names(sorted(loader.list()))}")
            # The class of a spider, of a booking system or of discovery.
            chosen = loader.load(args[0]).select_targets(opts.spargs)  # type: ignore[attr-defined]
            if not chosen:  # it serves the queue: without these it would end in a traceback, and exit code 0
                settings().require("redis_url")
                database_url()
                check_tables()
        except _USER_ERRORS as error:
            raise SystemExit(f"scrapy crawl {args[0]}: {error}") from None
        self.serving = not (chosen or opts.loglevel or opts.logfile or opts.nolog)
        # "project" lets -s and -L on the command line win.
        if self.serving:
            given.set("LOG_INSTALL_ROOT_HANDLER", value=False, priority="project")
        elif chosen:
            given.set("LOG_LEVEL", "WARNING", priority="project")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run the spider; a serving one logs as all programs do."""
        if self.serving:
            set_up_logs(f"spider {CrawlQueue(args[0], fetch_of(opts.spargs))}")
            logging.getLogger("scrapy").setLevel(logging.NOTSET)  # Scrapy set it to DEBUG: the root decides
            for loud in _LOUD:
                logging.getLogger(loud).setLevel(logging.WARNING)
        super().run(args, opts)
