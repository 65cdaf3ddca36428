"""`scrapy coverage`: what of the country can be watched, and how surely, as the page docs/coverage.md."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from scrapy.commands import ScrapyCommand

from configs.world.desk import Desk, Grade, Procedure, WatchLevel
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
  the slots), `none` (not checked: a token, a login, something of its page or
  an operator's decision on its host is missing)."""

_LEVELS = (
    (WatchLevel.FULL, "slots are seen"),
    (WatchLevel.PRESENCE, "only its existence is seen"),
    (WatchLevel.NONE, "not watched"),
)


class Command(OperatorCommand, ScrapyCommand):
    """Prints the page."""

    requires_project = True
    SHORT = "Say what of the country can be watched, by platform and procedure"

    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:  # noqa: ARG002 -- Scrapy passes them
        """Print it; desk files that are wrong are named."""
        if args:
            raise self.make_exit(f"{args[0]!r} is no argument; use > FILE")
        check_catalogue()
        print(page(prefectures()), end="")


def page(found: Mapping[str, Prefecture]) -> str:
    """Return the page in Markdown."""
    places = sorted(found.values(), key=lambda each: each.department)
    desks = [desk for each in places for desk in each.desks]
    checked = [desk for desk in desks if desk.schedulable]
    watched = {desk.prefecture_id for desk in checked if desk.shows_slots}
    counted = Counter((system_of(desk), desk.platform, desk.grade, _level_of(desk)) for desk in desks)
    summary = (
        f"{len(places)} prefectures, {len(desks)} desks, {len(checked)} of them checked. "
        f"{len(watched)} prefectures have a desk whose slots are seen."
    )
    parts = (
        _OPENING,
        summary,
        "## By platform\n\n"
        + _table(
            ("system", "platform", "grade", "watch level", "desks"),
            ((*key, number) for key, number in sorted(counted.items())),
        ),
        "## By procedure\n\nDepartments with a desk; stale and retired addresses are left out. "
        "`scrapy desks` lists the desks.\n\n"
        + _table(("procedure", *(text for _, text in _LEVELS)), _procedures(places)),
    )
    return "\n\n".join(parts) + "\n"


def _procedures(places: Sequence[Prefecture]) -> Iterator[Sequence[object]]:
    """Yield, for each procedure, the departments that have a present desk of it at each level."""
    present = {
        (place.department, procedure, _level_of(desk))
        for place in places
        for desk in place.desks
        if desk.grade not in (Grade.STALE, Grade.RETIRED)
        for procedure in desk.procedures
    }
    for procedure in Procedure:
        cells = []
        for level, _ in _LEVELS:
            there = [each.department for each in places if (each.department, procedure, level) in present]
            cells.append(f"all {len(there)}" if len(there) == len(places) else " ".join(there) or "-")
        yield (procedure, *cells)


def _level_of(desk: Desk) -> WatchLevel:
    """Return what is seen of a desk: nothing while its host is not to be asked."""
    return WatchLevel.NONE if desk.refused else desk.watch


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
