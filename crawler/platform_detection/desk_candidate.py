"""A desk that was found, from its platform alone to an entry that is whole. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from crawler.fetching.errors import FetchError
from crawler.platform_detection.identify import PlatformMatch, understands
from crawler.platform_detection.lookup_base import IdChoice, KnownIds, LookupStep
from crawler.platform_detection.lookups import in_address, read_choices, steps_of
from crawler.platforms import platform
from crawler.reading import Page, PageRequest

MOST = 10  # desks: a longer list is one for a person to choose from
_NAMED = 20  # of those that are left out
_ASKING = "scrapy detect URL, without --file, asks for what is missing"


class DeskCandidate(NamedTuple):
    """A desk that was found: what tells its platform, its address, what it is called; why its page did not come.

    `remarks` are what a person should know of it, `lacks` what it needs and nobody tells, `among` what of its label
    tells it from others that were offered beside it.
    """

    sign: PlatformMatch
    url: str
    label: str
    trouble: FetchError | None = None
    remarks: tuple[str, ...] = ()
    lacks: str = ""
    among: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """Return what keeps it from being checked, in words; empty where nothing does."""
        return "; ".join(filter(None, (self.sign.missing, self.lacks)))

    def with_parameters(self, parameters: dict[str, object]) -> "DeskCandidate":
        """Return it with more parameters; what it knows already stays."""
        known = self.sign.parameters
        new = {name: value for name, value in parameters.items() if name not in known}
        return self._replace(sign=replace(self.sign, parameters={**known, **new}))

    def with_note(self, remark: str) -> "DeskCandidate":
        """Return it with one thing more that a person should know."""
        return self._replace(remarks=(*self.remarks, remark))


def add_address_parameters(found: DeskCandidate) -> DeskCandidate:
    """Return a desk with the parameters that stand in its address."""
    return found.with_parameters(dict(in_address(found.sign.platform, found.url)))


def next_ask(found: DeskCandidate, department: str | None = None) -> tuple[LookupStep, PageRequest] | None:
    """Return what to ask next for a desk's ids; None where all are told, or nothing more can be asked."""
    steps = steps_of(found.sign.platform)
    step = next((each for each in steps if each.tells not in found.sign.parameters), None)
    ask = step.ask(KnownIds(found.url, found.sign.parameters, department)) if step else None
    return (step, ask) if step and ask else None


def read_from(found: DeskCandidate, page: Page) -> list[DeskCandidate]:
    """Return a desk for each thing that a saved answer of its platform offers; itself where that tells nothing.

    Where the page's address is no desk's there is nothing to make one of: the things are named.
    """
    choices = read_choices(found.sign.platform, page)
    if not understands(platform(found.sign.platform), found.url):
        names = ", ".join(repr(each.label) for each in choices[:_NAMED] if each.label)
        return [found.with_note(f"it offers {names}") if names else found]
    desks = apply_choices(add_address_parameters(found), choices) or [add_address_parameters(found)]
    return [each.with_note(_ASKING) if next_ask(each) else each for each in desks]


def from_posted_bodies(found: DeskCandidate, posted: Iterable[Page]) -> DeskCandidate:
    """Return a desk with what its page's own scripts posted of it, where one body says it all."""
    for body in posted:
        if len(choices := read_choices(found.sign.platform, body)) == 1:
            return apply_choices(found, choices)[0]
    return found


def is_heard_only(found: DeskCandidate) -> bool:
    """Tell whether a desk lacks what no request tells, and its page may post by itself."""
    return bool(found.missing and steps_of(found.sign.platform) and not next_ask(found))


def apply_choices(found: DeskCandidate, choices: list[IdChoice]) -> list[DeskCandidate]:
    """Return a desk for each choice, the first ten: the last one names what is left out."""
    several = len(choices) > 1
    desks = [_with(found, each, several=several) for each in choices[:MOST]]
    if rest := [each.label for each in choices[MOST:]]:
        names = ", ".join(map(repr, rest[:_NAMED]))
        desks[-1] = desks[-1].with_note(f"{len(rest)} more are offered, which are left out here: {names}")
    return desks


def _with(found: DeskCandidate, choice: IdChoice, *, several: bool) -> DeskCandidate:
    desk = found.with_parameters(dict(choice.parameters))
    if choice.remark:
        desk = desk.with_note(choice.remark)
    if not choice.label:
        return desk._replace(lacks=choice.lacks)
    among = (choice.label, *found.among) if several else found.among
    label = ", ".join((choice.label, *found.among))
    return desk._replace(lacks=choice.lacks, label=label, among=among)
