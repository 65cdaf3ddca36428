"""What is done on a site before its slots show, by the rules of a desk file: a banner, steps, then page after page.

By HTTP each is a request of its own; in a browser all of them are done at once, as acts. How far a visit is stands in
the step of its asks.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

from pydantic import Field

from configs.desk import Text, Whole
from configs.strict_model import Strict
from crawler.parsing.css_selectors import Match, Selector, find_matches, find_visible
from crawler.parsing.forms import address_of, build_request
from crawler.reading import BrowserAction, Outcome, Page, PageRequest, Reading, VisitContext

Awaits = tuple[str, ...]  # what shows in a browser when a page is ready, see `Ask`
Early = Callable[[Page], Reading | None]  # what a page proves where the way goes no further; None: nothing


class NavigationStep(Strict):
    """What is done before slots show: the link, form, button or drop-down, its fields, the option chosen in it."""

    at: Selector
    fields: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=dict)
    option: Text | None = None


class NavigationPath(Strict):
    """The way to a site's slots, and from one page of them to the next, as a desk file says it."""

    banner: Selector | None = None
    steps: Annotated[tuple[NavigationStep, ...], Field(max_length=6)] = ()
    next_page: Selector | None = None
    pages: Annotated[Whole, Field(ge=1, le=20)] = 5


class NavigationProgress(NamedTuple):
    """How far a visit is: steps taken, the page of slots, whether the banner is done and a page before left doubts."""

    steps: int = 0
    page: int = 1
    banner: int = 0
    doubts: int = 0

    def __str__(self) -> str:
        return " ".join(map(str, self))


def progress(page: Page) -> NavigationProgress:
    """Return how far the visit was when it asked for this page."""
    return NavigationProgress(*map(int, page.ask.step.split()))


def entry(visit: VisitContext, way: NavigationPath, awaits: Awaits) -> PageRequest:
    """Ask for the desk's page; in a browser, with all that is done there before slots show."""
    if not visit.browser:
        return PageRequest(visit.url, str(NavigationProgress()))
    done = NavigationProgress(steps=len(way.steps), banner=1)
    return PageRequest(visit.url, str(done), acts=_acts(way), awaits=awaits)


def onward(page: Page, way: NavigationPath, early: Early) -> Reading | None:
    """Do what is still to be done before the slots show; None where they show.

    `early` reads a page on which the next step's element is not there: it may say before that there is nothing.
    """
    at = progress(page)
    if page.undone:
        return _explain_undone(page, at, early)
    if way.banner and not at.banner and (banner := find_matches(page.root, way.banner)):
        return _do_step(page, banner[0], NavigationStep(at=way.banner), at._replace(banner=1))
    return _step(page, way.steps[at.steps], at, early) if at.steps < len(way.steps) else None


def next_page(page: Page, way: NavigationPath, awaits: Awaits, *, doubts: bool) -> tuple[PageRequest, ...]:
    """Ask for the page of slots behind this one, where there is one and the desk wants as many.

    `doubts`: this page or one before it may have left slots out, which the last one has to know.
    """
    at = progress(page)
    then = at._replace(page=at.page + 1, doubts=int(doubts))
    if not way.next_page or then.page > way.pages or not (seen := find_visible(page.root, way.next_page)):
        return ()
    links = [each for each in find_matches(page.root, way.next_page) if isinstance(each, str) or each in seen]
    url, ready = address_of(page, links[0]), awaits if page.visit.browser else ()
    if url and url != page.url:
        return (PageRequest(url, str(then), rank=then.page, awaits=ready),)
    if not page.visit.browser or isinstance(links[0], str):
        return ()
    acts = (*_acts(way), *[BrowserAction(way.next_page)] * (then.page - 1))
    return (PageRequest(page.visit.url, str(then), rank=then.page, acts=acts, awaits=ready),)


def _acts(way: NavigationPath) -> tuple[BrowserAction, ...]:
    banner = (BrowserAction(way.banner, needed=False),) if way.banner else ()
    return banner + tuple(BrowserAction(step.at, step.fields, step.option) for step in way.steps)


def _explain_undone(page: Page, at: NavigationProgress, early: Early) -> Reading:
    """Say what kept the browser from where slots show."""
    if not page.stuck and at.page == 1 and (said := early(page)):
        return said
    return Reading(
        Outcome.UNREADABLE, page.stuck or f"nothing is there to do: {page.ask.acts[-page.undone].at}"
    )


def _step(page: Page, step: NavigationStep, at: NavigationProgress, early: Early) -> Reading:
    here = find_matches(page.root, step.at)
    if here:
        return _do_step(page, here[0], step, at._replace(steps=at.steps + 1))
    nothing = Reading(Outcome.UNREADABLE, f"step {at.steps + 1}: nothing is there to do: {step.at}")
    return early(page) or nothing


def _do_step(page: Page, match: Match, step: NavigationStep, then: NavigationProgress) -> Reading:
    ask = build_request(page, match, BrowserAction(step.at, step.fields, step.option), str(then))
    if ask is None:
        what = f"cannot be done, or leads to another site: {step.at} {step.option or ''}"
        return Reading(Outcome.UNREADABLE, what.rstrip())
    return Reading(reason=f"{step.at}: {ask.method} {ask.url}", asks=(ask,))
