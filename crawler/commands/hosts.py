"""`scrapy hosts`: each web host that is asked, as the tables know it; and its kill switch."""

import argparse
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from scrapy.commands import ScrapyCommand

from api.models.base import session
from api.models.desk import HostState
from configs.ground.clock import clock
from configs.ground.database import database_url
from configs.settings import settings
from configs.world.desk import Desk
from configs.world.prefecture import desks
from crawler.catalogue import check_catalogue
from crawler.commands import OperatorCommand, aligned, show
from crawler.incidents import kill_switch
from crawler.scheduling.intervals import budget_of
from crawler.scheduling.planning import by_host

_HEADINGS = ("HOST", "DESKS", "BUDGET", "SHARE", "RESTS", "RESTS UNTIL", "STOPPED")


class Command(OperatorCommand, ScrapyCommand):
    """Lists hosts, stops one, lets one be asked again."""

    requires_project = True
    SYNTAX = "[--stop HOST --reason TEXT | --go HOST]"
    SHORT = "List the hosts: budget, rests, stops; --stop or --go one of them"
    ERRORS = (*OperatorCommand.ERRORS, ValueError)  # the kill switch's

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument(
            "--stop", metavar="HOST", help="ask this host (name:port) nothing more, from now on"
        )
        parser.add_argument("--reason", metavar="TEXT", type=str.strip, help="why, for who finds it stopped")
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
        if chosen := opts.stop or opts.go:
            kill_switch.order_host(chosen, opts.reason or None)
        show(host_table(clock()))


def host_table(now: datetime) -> str:
    """Return each host that is watched or remembered: stopped ones first, then those that rest, then by name; in UTC.

    Raises:
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError: the database is away.
    """
    watched = by_host(desk for desk in desks().values() if desk.schedulable)
    with session() as rows:
        known = {row.host: row for row in rows.scalars(sa.select(HostState))}
    for name in watched.keys() - known.keys():
        known[name] = HostState(host=name, budget_share=1.0, rests_in_a_row=0)
    found = [_host_row(state, watched.get(state.host, ()), now) for state in known.values()]
    found.sort(key=lambda row: (row[-1] == "-", row[-2] == "-", row[0]))
    return aligned([_HEADINGS, *found])


def _host_row(state: HostState, there: Sequence[Desk], now: datetime) -> tuple[str, ...]:
    budget, rest = min(map(budget_of, there), default=None), state.rests_until
    return (
        state.host,
        str(len(there)),
        f"{budget:g}/min" if budget else "-",
        f"{state.budget_share:.0%}",
        str(state.rests_in_a_row),
        _instant(rest if rest and rest > now else None, state.rest_reason),
        _instant(state.stopped_at, state.stop_reason),
    )


def _instant(moment: datetime | None, reason: str | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}: {reason}" if moment else "-"
