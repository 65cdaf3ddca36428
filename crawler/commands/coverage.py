"""`scrapy coverage`: what of the country can be watched, and how surely, as the page docs/coverage.md."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from scrapy.commands import ScrapyCommand

from configs.world.desk import Desk, Procedure, WatchLevel
from configs.world.prefecture import Prefecture, prefectures
from crawler.catalogue import check_catalogue, system_of
from crawler.commands import OperatorCommand

_OPENING = """\
# Coverage

What the desk files of `configs/prefectures/` hold. Written by `scrapy coverage > docs/coverage.md`; a test keeps
it current.

* **Grade**: how sure the address is. `confirmed` (opened and seen by an operator), `unconfirmed` (from a public source,
  never opened), `stale` (known dead or very old: asked once a day if it lives), `retired` (kept for history).
* **Watch level**: what can be known. `full` (a check sees slots), `people` (a captcha precedes the slots, and people
  report what they see), `presence` (only that the procedure exists), `none` (not checked: a token, a login, something
  of its page or an operator's decision on its host is missing)."""

_BY_STATE = """\
## By state

Desks; and wishes, each procedure at each prefecture, by the nearest of their desks. What can be sold is sold while its
own checks prove it, and is being tried before. What is probed is an old address that is asked once a day if it lives.
What is waited for has a page that is not asked, that shows no slots, or of which no file says what it is for (asked
once a day, never sold). `make bench ARGS='--only wishes'` asks the API for each wish."""

# Of desks, and of wishes by their nearest desk; what is known of a desk beyond its file is in the table `desks`
_STATES = ("can be sold", "probed", "waited for", "unknown")


class Command(OperatorCommand, ScrapyCommand):
    """Prints the page."""

    requires_project = True
    SHORT = "Say what of the country can be watched, by state and platform"

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
    counted = Counter(
        (system_of(desk), desk.platform, desk.grade, WatchLevel.NONE if desk.refused else desk.watch)
        for desk in desks
    )
    summary = (
        f"{len(places)} prefectures, {len(desks)} desks, {len(checked)} of them checked. "
        f"{len(watched)} prefectures have a desk whose slots are seen."
    )
    parts = (
        _OPENING,
        summary,
        _BY_STATE,
        _table(("", *_STATES), _states(places)),
        "## By platform\n\n"
        + _table(
            ("system", "platform", "grade", "watch level", "desks"),
            ((*key, number) for key, number in sorted(counted.items())),
        ),
    )
    return "\n\n".join(parts) + "\n"


def _states(places: Sequence[Prefecture]) -> Iterator[Sequence[object]]:
    """Yield how many desks are in each state, how many wishes of each procedure, and how many of all."""
    desks = Counter(_state_of(desk) for each in places for desk in each.desks)
    yield ("desks", *(desks[state] for state in _STATES))
    wishes = Counter[str]()
    for procedure in Procedure:
        served = ([_state_of(desk) for desk in each.desks if procedure in desk.procedures] for each in places)
        found = Counter(min(states, key=_STATES.index, default="unknown") for states in served)
        wishes += found
        yield (procedure, *(found[state] for state in _STATES))
    yield ("wishes", *(wishes[state] for state in _STATES))


def _state_of(desk: Desk) -> str:
    if desk.shows_slots:
        return "can be sold"
    return "probed" if desk.is_probed and desk.is_named else "waited for"


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
