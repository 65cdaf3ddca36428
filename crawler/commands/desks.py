"""`scrapy desks`: what can be watched, as a table; with --state how it stands, which takes the database."""

import argparse
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from scrapy.commands import ScrapyCommand

from api.models.base import session
from api.models.desk import DeskState
from configs.ground.clock import clock
from configs.world.desk import Desk
from configs.world.host_rule import Decision, HostRule
from configs.world.prefecture import desks, host_rules, prefecture
from crawler.catalogue import check_catalogue, system_of
from crawler.commands import OperatorCommand, aligned, show
from crawler.recording.coverage_tracking import is_proven
from crawler.scheduling.intervals import effective_interval, own_interval
from crawler.scheduling.rounds import proven_intervals


def desk_table(shown: Sequence[Desk]) -> str:
    """Return what each desk is for, its platform, and how sure its address is."""
    headings = ("DESK", "LABEL", "PROCEDURES", "SYSTEM", "PLATFORM", "GRADE", "WATCH", "URL")
    rows = []
    for each in shown:
        serves = (each.label, ",".join(sorted(each.procedures)), system_of(each), each.platform)
        rows.append((each.id, *serves, each.grade, each.watch, each.url))
    return aligned([headings, *rows])


def reason_table(shown: Sequence[Desk]) -> str:
    """Return why each desk is checked, or is not, and whether its host's robots.txt and terms were read."""
    rows = []
    for each in shown:
        because = each.unwatched_because or f"checked; {each.source}"
        robots = host_rules().get(each.host, HostRule()).robots
        decision = f"{robots.decision} {robots.date}" if robots else Decision.UNREAD
        rows.append((each.id, each.grade, each.watch, each.host, decision, because))
    return aligned([("DESK", "GRADE", "WATCH", "HOST", "ROBOTS", "WHY"), *rows])


def state_table(shown: Sequence[Desk]) -> str:
    """Return how desks stand; intervals in seconds, `-` where nothing is known yet.

    Raises:
        sqlalchemy.exc.DBAPIError: the server is away.
        configs.settings.SettingMissing: DATABASE_URL is not set.
    """
    with session() as rows:
        found = rows.scalars(sa.select(DeskState).where(DeskState.id.in_([each.id for each in shown])))
        states = {state.id: state for state in found}
    headings = ("DESK", "STATUS", "WISHED", "FEASIBLE", "ACHIEVED", "CHECKED", "PROVEN", "REASON")
    return aligned([headings, *(_state_row(each, states.get(each.id)) for each in shown)])


def _state_row(desk: Desk, state: DeskState | None) -> tuple[str, ...]:
    if state is None:
        return (desk.id, *"------", "not planned yet")
    interval = effective_interval(state.wished_seconds, state.share_seconds, own_interval(desk))
    counts = proven_intervals(desk, len(state.coverage or ()))
    asked = (state.wished_seconds, state.feasible_seconds, state.achieved_seconds)
    return (
        desk.id,
        state.status,
        *("-" if value is None else f"{value:.0f}" for value in asked),
        f"{state.last_check_at:%Y-%m-%d %H:%M:%S}" if state.last_check_at else "-",
        "yes" if is_proven(state.whole_at, interval, clock(), counts) else "no",
        state.status_reason,
    )


class Command(OperatorCommand, ScrapyCommand):
    """Lists desks, of one prefecture where asked."""

    requires_project = True
    SYNTAX = "[--prefecture ID] [--state | --why]"
    SHORT = "List the desks: what each is for, its platform, how sure its address is"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--prefecture", metavar="ID", help="only this prefecture's, e.g. bobigny_93")
        shown = parser.add_mutually_exclusive_group()
        for name, table, said in (
            ("--state", state_table, "how often each is asked, and how it stands"),
            ("--why", reason_table, "why each is checked, or is not, and what is decided of its host"),
        ):
            shown.add_argument(
                name, action="store_const", dest="table", const=table, default=desk_table, help=said
            )

    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print the table; a wrong name is answered with those that exist."""
        if args:
            raise self.make_exit(f"{args[0]!r} is no argument; use --prefecture ID")
        check_catalogue()
        show(listing(opts.prefecture, opts.table))


def listing(prefecture_id: str | None, table: Callable[[Sequence[Desk]], str] = desk_table) -> str:
    """Return a table of desks, or why it is empty.

    Raises:
        configs.world.prefecture.UnknownPrefecture: names those that exist.
        Also what the table raises.
    """
    if not prefecture_id:
        return table(tuple(desks().values()))
    here = prefecture(prefecture_id)
    return table(here.desks) if here.desks else f"no desk: {here.paused_because}"
