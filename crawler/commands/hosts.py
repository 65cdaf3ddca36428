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

_HEADINGS = ("HOST", "DESKS", "BUDGET", "SHARE", "RESTS", "UNTIL", "BECAUSE", "STOPPED")
_NOTHING = "-"


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
        if chosen := opts.stop or opts.go:
            kill_switch.order_host(chosen, opts.reason)
        show(host_table(clock()))


def host_table(now: datetime) -> str:
    """Return each host that is watched or remembered: stopped ones first, then those that rest, then by name; in UTC.

    Raises:
        sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError: the database is away.
    """
    watched = by_host(desk for desk in desks().values() if desk.schedulable)
    with session() as rows:
        known = {row.host: row for row in rows.scalars(sa.select(HostState))}
    fresh = (
        HostState(host=name, budget_share=1.0, rests_in_a_row=0) for name in watched.keys() - known.keys()
    )
    states = sorted(
        (*known.values(), *fresh), key=lambda each: (not each.stopped_at, not _rests(each, now), each.host)
    )
    found = [_host_row(each, watched.get(each.host, ()), now) for each in states]
    return aligned([_HEADINGS, *found]) if found else "no host: no desk is scheduled"


def _rests(state: HostState, now: datetime) -> bool:
    return bool(state.rests_until and state.rests_until > now)


def _host_row(state: HostState, there: Sequence[Desk], now: datetime) -> tuple[str, ...]:
    budget, rests = min(map(budget_of, there), default=None), _rests(state, now)
    return (
        state.host,
        str(len(there)),
        f"{budget:g}/min" if budget else _NOTHING,
        f"{state.budget_share:.0%}",
        str(state.rests_in_a_row),
        _instant(state.rests_until if rests else None),
        (state.rest_reason if rests else None) or _NOTHING,
        f"{_instant(state.stopped_at)}: {state.stop_reason}" if state.stopped_at else _NOTHING,
    )


def _instant(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}" if moment else _NOTHING
