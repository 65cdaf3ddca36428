"""`scrapy nodes`: the machines that run spiders; drain one, let it take work again."""

import argparse

from scrapy.commands import ScrapyCommand

from configs.clock import clock
from configs.database import database_url
from configs.settings import SettingMissing, SettingsRefused, settings
from crawler.cli.tables import show


class Command(ScrapyCommand):
    """Lists nodes, drains one, lets one take work again."""

    requires_project = True
    requires_crawler_process = False

    def short_desc(self) -> str:
        """Return the line that `scrapy` shows."""
        return "List the machines that run spiders; --drain or --go one of them"

    def syntax(self) -> str:
        """Return the arguments."""
        return "[--drain NODE --reason TEXT | --go NODE]"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--drain", metavar="NODE", help="let this node end its work and take no more")
        parser.add_argument("--reason", metavar="TEXT", help="why, for other operators")
        parser.add_argument("--go", metavar="NODE", help="let a drained node take work again")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Carry out what is asked, and print the table."""
        if args:
            raise SystemExit(f"scrapy nodes: {args[0]!r} is no argument; use --drain NODE or --go NODE")
        if opts.drain and opts.go:
            raise SystemExit("scrapy nodes: --drain or --go, not both")
        if bool(opts.drain) != bool(opts.reason):
            raise SystemExit("scrapy nodes: --drain NODE and --reason TEXT go together")
        try:
            database_url()
            settings().require("redis_url")
            show(_carry_out(opts.drain, opts.reason, opts.go))
        except (SettingMissing, SettingsRefused) as error:
            raise SystemExit(f"scrapy nodes: {error}") from None


def _carry_out(drained: str | None, reason: str, released: str | None) -> str:
    """Drain or release a node; return the table.

    Raises:
        SystemExit: no such node, or a server is away; the text says what to do.
    """
    import redis  # noqa: PLC0415 -- scrapy loads every command's file for any command
    import sqlalchemy as sa  # noqa: PLC0415

    from configs.node_report import read_nodes  # noqa: PLC0415
    from crawler.cli.node_table import table  # noqa: PLC0415
    from crawler.scheduling import due_queue  # noqa: PLC0415
    from crawler.spider_processes import drain  # noqa: PLC0415

    try:
        if drained:
            drain.drain(drained, reason)
        if released:
            drain.release(released)
        with due_queue.connect() as client:
            return table(read_nodes(client, clock()), drain.drained())
    except (drain.UnknownNode, ValueError) as error:
        raise SystemExit(f"scrapy nodes: {error}") from None
    except redis.RedisError as error:
        raise SystemExit(f"scrapy nodes: Redis is away, so no node is known: {error}") from None
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        away = str(error).splitlines()[0]
        raise SystemExit(f"scrapy nodes: the database is away, nothing was changed: {away}") from None
