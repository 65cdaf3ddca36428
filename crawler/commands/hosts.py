"""`scrapy hosts`: each web host that is asked, as the tables know it; and its kill switch."""

import argparse

from configs.ground.clock import clock
from configs.ground.database import database_url
from configs.settings import settings
from crawler.catalogue import check_catalogue
from crawler.cli.command_base import OperatorCommand, show


class Command(OperatorCommand):
    """Lists hosts, stops one, lets one be asked again."""

    requires_project = True
    SYNTAX = "[--stop HOST --reason TEXT | --go HOST]"
    SHORT = "List the hosts: budget, rests, stops; --stop or --go one of them"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument(
            "--stop", metavar="HOST", help="ask this host (name:port) nothing more, from now on"
        )
        parser.add_argument("--reason", metavar="TEXT", help="why, for whoever finds it stopped")
        parser.add_argument("--go", metavar="HOST", help="let a stopped host be asked again")

    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:
        """Move the switch where that is asked, and print the table."""
        if args:
            raise self.make_exit(f"{args[0]!r} is no argument; use --stop HOST or --go HOST")
        if opts.stop and opts.go:
            raise self.make_exit("--stop or --go, not both")
        if bool(opts.stop) != bool(opts.reason):
            raise self.make_exit("--stop HOST and --reason TEXT go together")
        check_catalogue()
        database_url()
        settings().require("redis_url")
        show(self.change_rows(lambda: _move_switch(opts.stop or opts.go, opts.reason)))


def _move_switch(chosen: str | None, reason: str | None) -> str:
    """Stop a host for a reason, or let it go without one; return the table."""
    from crawler.cli.state_tables import host_table  # noqa: PLC0415 -- scrapy loads every command's file for any command
    from crawler.hosts import kill_switch  # noqa: PLC0415

    if chosen:
        kill_switch.order_host(chosen, reason)
    return host_table(clock())
