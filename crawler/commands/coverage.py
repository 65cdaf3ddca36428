"""`scrapy coverage`: what of the country can be watched, and how surely, as the page docs/coverage.md.

With --live the database says which desks a check of this installation has proven.
"""

import argparse
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import sqlalchemy as sa
from scrapy.commands import ScrapyCommand

from api.models.base import session
from api.models.desk import DeskState
from configs.world.desk import Desk, Grade, Procedure, WatchLevel, missing_token
from configs.world.prefecture import Prefecture, prefectures
from crawler.catalogue import check_catalogue, system_of
from crawler.commands import OperatorCommand

_OPENING = """\
# Coverage

What the desk files of `configs/prefectures/` hold. Written by `scrapy coverage > docs/coverage.md`; a test keeps
it current.

* **Grade**: how sure the address is. `confirmed` (opened and seen by an operator), `unconfirmed` (from a public source,
  never opened), `stale` (known dead or very old: not checked), `retired` (kept for history).
* **Watch level**: what a check can prove. `full` (slots), `presence` (only that the procedure exists: a captcha hides
  the slots), `none` (a token, a login or something of its page is missing: not checked)."""

_PROVEN, _NOT_YET, _SWITCHED_OFF, _CANNOT = (
    "proven by a live check",
    "can prove, not yet proven",
    "switched off until decided",
    "cannot",
)
_STANDINGS = {
    _PROVEN: "a check of this installation saw slots, or that there are none",
    _NOT_YET: "checked, and its reader tells both; the first day shows whether its page is as described",
    _SWITCHED_OFF: "an operator's decision on robots.txt and terms, or the token of who runs the site, is missing",
    _CANNOT: "a captcha or login precedes the slots, ids of its page are missing, or its address is dead",
}
_NOTHING = "-"
_LEVELS = (
    (WatchLevel.FULL, "slots are seen"),
    (WatchLevel.PRESENCE, "only its existence is seen"),
    (WatchLevel.NONE, "not watched"),
)


class Command(OperatorCommand, ScrapyCommand):
    """Prints the page."""

    requires_project = True
    SYNTAX = "[--live]"
    SHORT = "Say what of the country can be watched, by platform and procedure"
    WITHOUT_DATABASE = "nothing is known to be proven"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add ours."""
        super().add_options(parser)
        parser.add_argument("--live", action="store_true", help="ask the database which desks are proven")

    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print it; desk files that are wrong are named."""
        if args:
            raise self.make_exit(f"{args[0]!r} is no argument; use > FILE")
        check_catalogue()
        print(page(prefectures(), _read_proven() if opts.live else None), end="")


def _read_proven() -> set[str]:
    """Return the ids of the desks that a check has proven."""
    with session() as rows:
        return set(rows.scalars(sa.select(DeskState.id).where(DeskState.last_proven_at.is_not(None))))


def page(found: Mapping[str, Prefecture], proven: Collection[str] | None = None) -> str:
    """Return the page in Markdown; `proven` are the ids of desks that a live check has proven, where one is asked."""
    known = (
        "No installation has run yet: without `--live`, nothing counts as proven."
        if proven is None
        else "As the database of this installation says."
    )
    places = sorted(found.values(), key=lambda each: each.department)
    desks = [desk for each in places for desk in each.desks]
    parts = (
        _OPENING,
        _summary(places, desks),
        f"## What is proven\n\n{known}\n\n"
        + _table(("what", "desks", "which platforms", "because"), _count_standings(desks, proven or ())),
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


def _count_standings(desks: Iterable[Desk], proven: Collection[str]) -> Iterator[Sequence[object]]:
    counted = Counter((_standing_of(desk, proven), desk.platform) for desk in desks)
    for name, because in _STANDINGS.items():
        there = {platform: number for (each, platform), number in sorted(counted.items()) if each == name}
        platforms = ", ".join(f"{platform} {number}" for platform, number in there.items())
        yield name, sum(there.values()), platforms or _NOTHING, because


def _standing_of(desk: Desk, proven: Collection[str]) -> str:
    if desk.shows_slots:
        return _PROVEN if desk.id in proven else _NOT_YET
    waits = desk.refused or (not desk.because and missing_token(desk.platform))
    return _SWITCHED_OFF if waits and not _former(desk) else _CANNOT


def _platforms(desks: Iterable[Desk]) -> Iterator[Sequence[object]]:
    counted = Counter((system_of(desk), desk.platform, desk.grade, _level_of(desk)) for desk in desks)
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
    return procedure in desk.procedures and _level_of(desk) is level and not _former(desk)


def _level_of(desk: Desk) -> WatchLevel:
    """Return what is seen of a desk: nothing while its host is not to be asked."""
    return WatchLevel.NONE if desk.refused else desk.watch


def _former(desk: Desk) -> bool:
    return desk.grade in (Grade.STALE, Grade.RETIRED)


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
