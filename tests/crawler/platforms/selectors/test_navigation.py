from typing import Any

import pytest

from configs.world.outcome import Outcome
from crawler.platforms.selectors.navigation import (
    NavigationPath,
    NavigationProgress,
    NavigationStep,
    entry,
    next_page,
    onward,
    progress,
)
from crawler.reading import BrowserAction, Page, PageRequest, Reading, VisitContext
from tests.crawler.pages import TODAY

URL = "https://mairie.example/rdv"
LINK = "<a id=go href='/motif'>Prendre rendez-vous</a>"
MORE = "<a rel=next href='?p=2'>suite</a>"
WAY = NavigationPath(
    steps=(NavigationStep(at="a#go"), NavigationStep(at="select", option="Visa")),
    banner="button#non",
    next_page="a[rel=next]",
)
NOTHING = Reading(Outcome.NO_SLOTS, "fermé")


def page(body: str, at: NavigationProgress | None = None, *, browser: bool = False, **how: Any) -> Page:
    ask = PageRequest(
        URL,
        str(at or NavigationProgress()),
        acts=(BrowserAction("a#go"), BrowserAction("select", option="Visa")),
    )
    return Page(URL, 200, body.encode(), VisitContext(URL, TODAY, browser=browser), ask, **how)


def never(_page: Page) -> Reading | None:
    return None


def asks(reading: Reading | None) -> list[tuple[str, str]]:
    return [(ask.url, ask.step) for ask in reading.asks] if reading else []


def test_by_http_each_step_is_a_request_that_says_how_far_the_visit_is() -> None:
    visit = VisitContext(URL, TODAY)
    assert entry(visit, WAY, ("a.x",)) == PageRequest(URL, "0 1 0 0")
    reading = onward(page(LINK), WAY, never)
    assert asks(reading) == [("https://mairie.example/motif", "1 1 0 0")]
    form = "<form method=post action=/q><select name=m><option value=7>Visa</option></select></form>"
    reading = onward(page(form, NavigationProgress(steps=1)), WAY, never)
    assert reading is not None
    (ask,) = reading.asks
    assert (ask.method, ask.form, progress(Page(URL, 200, b"", visit, ask)).steps) == ("POST", {"m": "7"}, 2)
    assert onward(page(form, NavigationProgress(steps=2)), WAY, never) is None, "here slots show"


def test_in_a_browser_all_is_done_at_once_and_the_banner_only_where_it_shows() -> None:
    ask = entry(VisitContext(URL, TODAY, browser=True), WAY, ("a.x",))
    assert [(act.at, act.option, act.needed) for act in ask.acts] == [
        ("button#non", None, False),
        ("a#go", None, True),
        ("select", "Visa", True),
    ]
    assert (ask.awaits, ask.step) == (("a.x",), "2 1 1 0")
    assert onward(page("<p>Créneaux</p>", NavigationProgress(2, banner=1), browser=True), WAY, never) is None


def test_a_step_that_leads_elsewhere_is_not_taken_and_no_absence_is_believed_for_it() -> None:
    body = "<a id=go href='https://ailleurs.example/'>Prendre rendez-vous</a>"
    reading = onward(page(body), WAY, lambda _page: NOTHING)
    assert reading is not None
    assert reading.outcome is Outcome.UNREADABLE
    assert "leads to another site: a#go" in reading.reason


@pytest.mark.parametrize(
    ("at", "stuck", "said"),
    [
        (NavigationProgress(2, banner=1), "", NOTHING),
        (
            NavigationProgress(2, page=2, banner=1),
            "",
            Reading(Outcome.UNREADABLE, "nothing is there to do: select"),
        ),
        (NavigationProgress(2, banner=1), "select: covered", Reading(Outcome.UNREADABLE, "select: covered")),
    ],
)
def test_what_a_browser_could_not_do_is_said(at: NavigationProgress, stuck: str, said: Reading) -> None:
    here = page("<p>fermé</p>", at, browser=True, skipped_actions=1, failed_action=stuck)
    assert onward(here, WAY, lambda _page: NOTHING) == said


def test_the_next_page_is_asked_as_far_as_the_desk_says_and_takes_doubts_along() -> None:
    at = NavigationProgress(2, page=4, banner=1)
    (ask,) = next_page(page(MORE, at), WAY, ("a.x",), doubts=True)
    assert (ask.url, ask.step, ask.rank, ask.awaits) == (f"{URL}?p=2", "2 5 1 1", 5, ())
    assert next_page(page(MORE, at._replace(page=5)), WAY, (), doubts=True) == ()
    assert next_page(page("<p>fin</p>", at), WAY, (), doubts=True) == ()
    assert next_page(page(MORE, at), NavigationPath(), (), doubts=True) == ()
