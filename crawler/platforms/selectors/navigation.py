"""Navigation to the slots of a site by the rules of a desk file: a banner, steps, then page after page.

By HTTP each step is a request of its own; in a browser all are actions on one page. The `step` of a request holds
the progress of the visit.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

from pydantic import Field

from configs.ground.strict_model import Strict
from configs.world.desk import Text, Whole
from crawler.parsing.css_selectors import Match, Selector, find_matches, find_visible
from crawler.parsing.forms import address_of, build_request
from crawler.reading import BrowserAction, Outcome, Page, PageRequest, Reading, VisitContext

Awaits = tuple[str, ...]  # see `PageRequest.awaits`
Early = Callable[[Page], Reading | None]  # reads a page on which the next step is missing


class NavigationStep(Strict):
    """One step before the slots: a link, form, button or drop-down, with its fields and the option to choose."""

    at: Selector
    fields: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=dict)
    option: Text | None = None


class NavigationPath(Strict):
    """The steps to a site's slots, and from one page of slots to the next."""

    banner: Selector | None = None
    steps: Annotated[tuple[NavigationStep, ...], Field(max_length=6)] = ()
    next_page: Selector | None = None
    pages: Annotated[Whole, Field(ge=1, le=20)] = 5


class NavigationProgress(NamedTuple):
    """Progress of a visit: steps done, page of slots, banner done (0 or 1), doubts left by a page (0 or 1)."""

    steps: int = 0
    page: int = 1
    banner: int = 0
    doubts: int = 0

    def __str__(self) -> str:
        return " ".join(map(str, self))


def progress(page: Page) -> NavigationProgress:
    """Return the progress of the visit when it requested this page."""
    return NavigationProgress(*map(int, page.ask.step.split()))


def entry(visit: VisitContext, way: NavigationPath, awaits: Awaits) -> PageRequest:
    """Return the request for the desk's page; in a browser with all actions before the slots."""
    if not visit.browser:
        return PageRequest(visit.url, str(NavigationProgress()))
    done = NavigationProgress(steps=len(way.steps), banner=1)
    return PageRequest(visit.url, str(done), acts=_acts(way), awaits=awaits)


def onward(page: Page, way: NavigationPath, early: Early) -> Reading | None:
    """Take the next step before the slots; None if the page shows them.

    `early` reads a page without the next step's element: it may say already that nothing is free.
    """
    at = progress(page)
    if page.skipped_actions:
        return _explain_undone(page, at, early)
    if way.banner and not at.banner and (banner := find_matches(page.root, way.banner)):
        return _do_step(page, banner[0], NavigationStep(at=way.banner), at._replace(banner=1))
    return _step(page, way.steps[at.steps], at, early) if at.steps < len(way.steps) else None


def next_page(page: Page, way: NavigationPath, awaits: Awaits, *, doubts: bool) -> tuple[PageRequest, ...]:
    """Return the request for the next page of slots, if there is one and the desk's limit allows it.

    `doubts`: this page or one before it may have left slots out, which the last page must know.
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
    """Say what kept the browser from the slots."""
    if not page.failed_action and at.page == 1 and (said := early(page)):
        return said
    return Reading(
        Outcome.UNREADABLE,
        page.failed_action or f"nothing is there to do: {page.ask.acts[-page.skipped_actions].at}",
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
