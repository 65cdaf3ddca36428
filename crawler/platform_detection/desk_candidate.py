"""A desk that was found: its platform first, then its ids, until its entry is complete. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from crawler.fetching.errors import FetchError
from crawler.platform_detection.identify import PlatformMatch, understands
from crawler.platform_detection.lookup_base import IdChoice, KnownIds, LookupStep
from crawler.platform_detection.lookups import in_address, read_choices, steps_of
from crawler.platforms import platform
from crawler.reading import Page, PageRequest

MOST = 10  # desks; the rest of a longer list is only named
_NAMED = 20  # names of the rest
_ASKING = "scrapy detect URL, without --file, asks for what is missing"


class DeskCandidate(NamedTuple):
    """A desk that was found, perhaps without all of its ids."""

    sign: PlatformMatch
    url: str
    label: str
    trouble: FetchError | None = None  # why its page was not fetched
    remarks: tuple[str, ...] = ()  # notes for the operator
    lacks: str = ""  # parameters that it needs and that no request tells
    among: tuple[str, ...] = ()  # parts of its label that distinguish it from other choices

    @property
    def missing(self) -> str:
        """Return why it cannot be checked yet, in words; empty if it can."""
        return "; ".join(filter(None, (self.sign.missing, self.lacks)))

    def with_parameters(self, parameters: dict[str, object]) -> "DeskCandidate":
        """Return it with more parameters; known ones stay."""
        known = self.sign.parameters
        new = {name: value for name, value in parameters.items() if name not in known}
        return self._replace(sign=replace(self.sign, parameters={**known, **new}))

    def with_note(self, remark: str) -> "DeskCandidate":
        """Return it with one more note."""
        return self._replace(remarks=(*self.remarks, remark))


def add_address_parameters(found: DeskCandidate) -> DeskCandidate:
    """Return a desk with the parameters in its address."""
    return found.with_parameters(dict(in_address(found.sign.platform, found.url)))


def next_ask(found: DeskCandidate, department: str | None = None) -> tuple[LookupStep, PageRequest] | None:
    """Return the next request for a desk's ids; None if all are known, or no request can tell them."""
    steps = steps_of(found.sign.platform)
    step = next((each for each in steps if each.tells not in found.sign.parameters), None)
    ask = step.ask(KnownIds(found.url, found.sign.parameters, department)) if step else None
    return (step, ask) if step and ask else None


def read_from(found: DeskCandidate, page: Page) -> list[DeskCandidate]:
    """Return a desk for each choice in a saved answer of its platform; the desk itself if there are none.

    If the page's address is no desk's, the choices are only named.
    """
    choices = read_choices(found.sign.platform, page)
    if not understands(platform(found.sign.platform), found.url):
        names = ", ".join(repr(each.label) for each in choices[:_NAMED] if each.label)
        return [found.with_note(f"it offers {names}") if names else found]
    desks = apply_choices(add_address_parameters(found), choices) or [add_address_parameters(found)]
    return [each.with_note(_ASKING) if next_ask(each) else each for each in desks]


def from_posted_bodies(found: DeskCandidate, posted: Iterable[Page]) -> DeskCandidate:
    """Return a desk with the ids that its page's own scripts posted, if one body has them all."""
    for body in posted:
        if len(choices := read_choices(found.sign.platform, body)) == 1:
            return apply_choices(found, choices)[0]
    return found


def is_heard_only(found: DeskCandidate) -> bool:
    """Tell whether a desk lacks ids that only its page's own scripts post."""
    return bool(found.missing and steps_of(found.sign.platform) and not next_ask(found))


def apply_choices(found: DeskCandidate, choices: list[IdChoice]) -> list[DeskCandidate]:
    """Return a desk for each of the first ten choices; the last desk's note names the others."""
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
