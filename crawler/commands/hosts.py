"""`scrapy hosts`: the kill switch of a web host, without the API. How hosts stand: `make status`, `/admin/sites`."""

import argparse

from scrapy.commands import ScrapyCommand

from configs.ground.database import database_url
from configs.settings import settings
from crawler.catalogue import check_catalogue
from crawler.commands import OperatorCommand
from crawler.incidents import kill_switch


class Command(OperatorCommand, ScrapyCommand):
    """Stops a host, or lets one be asked again."""

    requires_project = True
    SYNTAX = "--stop HOST --reason TEXT | --go HOST"
    SHORT = "Stop asking a host, or let it be asked again"
    ERRORS = (*OperatorCommand.ERRORS, ValueError)  # the kill switch's

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        chosen = parser.add_mutually_exclusive_group(required=True)
        chosen.add_argument(
            "--stop", metavar="HOST", help="ask this host (name:port) nothing more, from now on"
        )
        chosen.add_argument("--go", metavar="HOST", help="let a stopped host be asked again")
        parser.add_argument("--reason", metavar="TEXT", type=str.strip, help="why, for who finds it stopped")

    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:
        """Move the switch."""
        if args:
            raise self.make_exit(f"{args[0]!r} is no argument; use --stop HOST or --go HOST")
        if bool(opts.stop) != bool(opts.reason):
            raise self.make_exit("--stop HOST and --reason TEXT go together")
        check_catalogue()
        database_url()
        settings().require("redis_url")
        kill_switch.order_host(opts.stop or opts.go, opts.reason or None)
        print(f"{opts.stop} is asked nothing more" if opts.stop else f"{opts.go} may be asked again")
