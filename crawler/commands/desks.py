"""`scrapy desks`: what can be watched, as a table; with --state how it stands, which takes the database.

It pauses one desk, too, and has it checked again, without the API.
"""

import argparse

from configs.ground.clock import clock
from configs.ground.formatting import list_names
from configs.world.desk import Desk
from configs.world.prefecture import desk, desks, prefecture, prefectures
from crawler.catalogue import check_catalogue, system_of, systems
from crawler.cli.arguments import WrongArgument
from crawler.cli.command_base import OperatorCommand, aligned, show
from crawler.cli.state_tables import decision_table, describe_decision

_CARRIED_OUT = "\nthe planner carries it out within two seconds"
_REASONS = ("DESK", "GRADE", "WATCH", "ROBOTS", "WHY")
_ROBOTS_HEADINGS = ("DESK", "LABEL", "PROCEDURES", "SYSTEM", "PLATFORM", "GRADE", "WATCH", "URL")


class Command(OperatorCommand):
    """Lists desks, of one prefecture or one booking system where asked."""

    requires_project = True
    SYNTAX = (
        "[--prefecture ID] [--system NAME] [--state | --why | --robots]"
        " | --pause DESK --reason TEXT | --resume DESK"
    )
    SHORT = "List the desks: what each is for, its platform, how sure its address is"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--prefecture", metavar="ID", help="only this prefecture's, e.g. bobigny_93")
        parser.add_argument("--system", metavar="NAME", help="only this booking system's, e.g. prefenligne")
        shown = parser.add_mutually_exclusive_group()
        shown.add_argument("--state", action="store_true", help="how often each is asked, and how it stands")
        shown.add_argument("--why", action="store_true", help="why each is checked, or is not")
        shown.add_argument("--robots", action="store_true", help="whose robots.txt and terms nobody has read")
        shown.add_argument("--pause", metavar="DESK", help="check this desk no more until it is resumed")
        shown.add_argument("--resume", metavar="DESK", help="have a paused desk checked again, and now")
        parser.add_argument("--reason", metavar="TEXT", help="why, for whoever finds it paused")

    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print the table; a wrong name is answered with those that exist."""
        if args:
            raise self.make_exit(f"{args[0]!r} is no argument; use --prefecture ID or --system NAME")
        if bool(opts.pause) != bool(opts.reason):
            raise self.make_exit("--pause DESK and --reason TEXT go together")
        check_catalogue()
        if opts.pause or opts.resume:
            show(self.change_rows(lambda: _order(opts.pause or opts.resume, opts.reason)))
        else:
            show(listing(opts.prefecture, opts.system, state=opts.state, why=opts.why, robots=opts.robots))


def _order(chosen: str, reason: str | None) -> str:
    """Pause a desk for a reason, or resume it without one; return how it stands."""
    from crawler.cli.state_tables import desk_status_table  # noqa: PLC0415 -- scrapy loads every command's file
    from crawler.hosts import kill_switch  # noqa: PLC0415

    kill_switch.order_desk(chosen, reason)
    return desk_status_table([desk(chosen)], clock()) + _CARRIED_OUT


def listing(
    prefecture_id: str | None,
    system: str | None,
    *,
    state: bool = False,
    why: bool = False,
    robots: bool = False,
) -> str:
    """Return the table, or why it is empty.

    With `state` it is of how the desks stand, with `why` of what decides, with `robots` of what their hosts allow.

    Raises:
        configs.world.prefecture.UnknownPrefecture, WrongArgument: name those that exist.
        configs.settings.SettingMissing: how they stand is in a database that nobody named.
    """
    if system and system not in systems():
        raise WrongArgument(f"no booking system {system!r}; {list_names(systems())}")
    here = prefecture(prefecture_id).desks if prefecture_id else desks().values()
    shown = [each for each in here if not system or system_of(each) == system]
    if shown and state:
        from crawler.cli.state_tables import desk_status_table  # noqa: PLC0415 -- what can be watched needs no database

        return desk_status_table(shown, clock())
    if shown and robots:
        return decision_table(shown)
    if shown:
        return aligned(
            [_REASONS, *map(_reason, shown)] if why else [_ROBOTS_HEADINGS, *map(_robots_row, shown)]
        )
    watched = sorted(each.id for each in prefectures().values() if each.desks)
    because = (prefecture(prefecture_id).paused_because if prefecture_id else None) or "none fits"
    return f"no desk: {because}; prefectures with desks: {', '.join(watched) or 'none'}"


def _reason(desk: Desk) -> tuple[str, ...]:
    because = desk.unwatched_because or f"checked; {desk.source}"
    return desk.id, desk.grade, desk.watch, describe_decision(desk.host), because


def _robots_row(desk: Desk) -> tuple[str, ...]:
    return (
        desk.id,
        desk.label,
        ",".join(sorted(desk.procedures)),
        system_of(desk),
        desk.platform,
        desk.grade,
        desk.watch,
        desk.url,
    )
