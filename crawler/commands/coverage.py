"""`scrapy coverage`: what of the country can be watched, and how surely, as the page docs/coverage.md."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from configs.world.desk import Desk, Grade, Procedure, WatchLevel
from configs.world.prefecture import Prefecture, prefectures
from crawler.catalogue import check_catalogue, system_of
from crawler.cli.command_base import OperatorCommand

_OPENING = """\
# Coverage

What the desk files of `configs/prefectures/` hold. Written by `scrapy coverage --write docs/coverage.md`; a test
keeps it current.

* **Grade**: how sure the address is. `confirmed` (opened and seen by an operator), `unconfirmed` (from a public source,
  never opened), `stale` (known dead or very old: not checked), `retired` (kept for history).
* **Watch level**: what a check can prove. `full` (slots), `presence` (only that the procedure exists: a captcha hides
  the slots), `none` (a token, a login or something of its page is missing: not checked)."""

_NOTHING = "-"
_LEVELS = (
    (WatchLevel.FULL, "slots are seen"),
    (WatchLevel.PRESENCE, "only its existence is seen"),
    (WatchLevel.NONE, "not watched"),
)


class Command(OperatorCommand):
    """Prints the page, or writes it."""

    requires_project = True
    SYNTAX = "[--write FILE]"
    SHORT = "Say what of the country can be watched, by platform and procedure"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--write", metavar="FILE", type=Path, help="the file to write it to")

    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print or write it; desk files that are wrong are named."""
        if args:
            raise self.ended(f"{args[0]!r} is no argument; use --write FILE")
        check_catalogue()
        text = page(prefectures())
        try:
            if opts.write is None:
                print(text, end="")
            else:
                opts.write.write_text(text, encoding="utf-8")
        except OSError as error:
            raise self.ended(f"cannot write {error.filename}: {error.strerror}") from None


def page(found: Mapping[str, Prefecture]) -> str:
    """Return the page in Markdown."""
    places = sorted(found.values(), key=lambda each: each.department)
    desks = [desk for each in places for desk in each.desks]
    parts = (
        _OPENING,
        _summary(places, desks),
        "## By platform\n\n"
        + _table(("system", "platform", "grade", "watch level", "desks"), _platforms(desks)),
        "## By procedure\n\nDepartments with a desk; stale and retired addresses are left out. "
        "`scrapy desks` lists the desks.\n\n"
        + _table(("procedure", *(text for _, text in _LEVELS)), _procedures(places)),
    )
    return "\n\n".join(parts) + "\n"


def _summary(places: Sequence[Prefecture], desks: Sequence[Desk]) -> str:
    checked = [desk for desk in desks if desk.schedulable]
    watched = {desk.prefecture_id for desk in checked if desk.shows_slots}
    return (
        f"{len(places)} prefectures, {len(desks)} desks, {len(checked)} of them checked. "
        f"{len(watched)} prefectures have a desk whose slots are seen."
    )


def _platforms(desks: Iterable[Desk]) -> Iterator[Sequence[object]]:
    counted = Counter((system_of(desk), desk.platform, desk.grade, desk.watch) for desk in desks)
    return ((*key, number) for key, number in sorted(counted.items()))


def _procedures(places: Sequence[Prefecture]) -> Iterator[Sequence[object]]:
    for procedure in Procedure:
        cells = []
        for level, _ in _LEVELS:
            there = [
                each.department
                for each in places
                if any(_serves(desk, procedure, level) for desk in each.desks)
            ]
            cells.append(f"all {len(there)}" if len(there) == len(places) else " ".join(there) or _NOTHING)
        yield (procedure, *cells)


def _serves(desk: Desk, procedure: Procedure, level: WatchLevel) -> bool:
    return procedure in desk.procedures and desk.watch is level and not _former(desk)


def _former(desk: Desk) -> bool:
    return desk.grade in (Grade.STALE, Grade.RETIRED)


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
