"""`scrapy hosts`: each web host that is asked, as the tables know it; and its kill switch."""

import argparse

from scrapy.commands import ScrapyCommand

from configs.ground.clock import clock
from configs.ground.database import database_url
from configs.ground.strict_yaml import ConfigFileError
from configs.settings import SettingMissing, SettingsRefused, settings
from crawler.catalogue import check_catalogue
from crawler.cli.tables import show


class Command(ScrapyCommand):
    """Lists hosts, stops one, lets one be asked again."""

    requires_project = True
    requires_crawler_process = False

    def short_desc(self) -> str:
        """Return the line that `scrapy` shows."""
        return "List the hosts: budget, rests, stops; --stop or --go one of them"

    def syntax(self) -> str:
        """Return the arguments."""
        return "[--stop HOST --reason TEXT | --go HOST]"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument(
            "--stop", metavar="HOST", help="ask this host (name:port) nothing more, from now on"
        )
        parser.add_argument("--reason", metavar="TEXT", help="why, for whoever finds it stopped")
        parser.add_argument("--go", metavar="HOST", help="let a stopped host be asked again")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Move the switch where that is asked, and print the table."""
        if args:
            raise SystemExit(f"scrapy hosts: {args[0]!r} is no argument; use --stop HOST or --go HOST")
        if opts.stop and opts.go:
            raise SystemExit("scrapy hosts: --stop or --go, not both")
        if bool(opts.stop) != bool(opts.reason):
            raise SystemExit("scrapy hosts: --stop HOST and --reason TEXT go together")
        try:
            check_catalogue()
            database_url()
            settings().require("redis_url")
            show(_move_switch(opts.stop, opts.reason, opts.go))
        except (ConfigFileError, SettingMissing, SettingsRefused) as error:
            raise SystemExit(f"scrapy hosts: {error}") from None


def _move_switch(stop: str | None, reason: str, go: str | None) -> str:
    """Move the switch; return the table.

    Raises:
        SystemExit: no such host, or the database is away; the text says what to do.
    """
    import sqlalchemy as sa  # noqa: PLC0415 -- scrapy loads every command's file for any command

    from crawler.cli.state_tables import host_table  # noqa: PLC0415
    from crawler.hosts import kill_switch  # noqa: PLC0415

    try:
        if stop:
            kill_switch.stop(stop, reason)
        if go:
            kill_switch.resume(go)
        return host_table(clock())
    except (kill_switch.UnknownHost, ValueError) as error:
        raise SystemExit(f"scrapy hosts: {error}") from None
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        away = str(error).splitlines()[0]
        raise SystemExit(f"scrapy hosts: the database is away, nothing was changed: {away}") from None
