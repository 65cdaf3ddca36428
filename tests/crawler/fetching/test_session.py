import asyncio
import math
import socket
from collections.abc import Awaitable, Callable
from datetime import date

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, Response

from crawler.fetching.download_handler import spell_headers
from crawler.fetching.errors import FetchError
from crawler.fetching.request_budget import RequestBudget
from crawler.fetching.session import Clock, Session
from crawler.platforms import platform
from crawler.reading import Outcome, Page, PageRequest, VisitContext
from tests.in_turn import in_turn

SITE = "http://www.essonne.gouv.fr"
DESK = f"{SITE}/booking/create/23014"
CONDITIONS = PageRequest(f"{DESK}/0")
VISIT = VisitContext(DESK, date(2026, 11, 20))
Answer = Response | Exception | Callable[[Request], Response]


class Site:
    """Answers in turn, the last one for ever; keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []

    async def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer


def page(body: bytes = b"<p>bonjour", status: int = 200, **headers: str) -> Response:
    return HtmlResponse(
        DESK, status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def moved(location: str, status: int = 302) -> Response:
    return page(b"", status, Location=location)


def fetch(session: Session, ask: PageRequest = CONDITIONS) -> Page:
    return asyncio.run(_fetched(session, ask))


async def _fetched(session: Session, ask: PageRequest) -> Page:
    return await session.fetch(ask, VISIT, platform("ezbooking").is_forbidden)


def session(
    site: Callable[[Request], Awaitable[Response]], deadline: float = 5, largest: int = 1000
) -> Session:
    return Session(site, deadline, largest, RequestBudget(math.inf))


@pytest.fixture(autouse=True)
def _no_stand_ins(settings_env: Callable[..., None]) -> None:
    settings_env(SANDBOX_HOSTS="")


@pytest.mark.rule("3.7")
def test_a_post_carries_its_form_and_each_request_what_is_left_of_the_deadline() -> None:
    site = Site(page())
    fetch(session(site), PageRequest(f"{DESK}/0", "", "POST", {"condition": "on", "nextButton": "Étape"}))
    (request,) = site.asked
    assert request.body == b"condition=on&nextButton=%C3%89tape"
    assert dict(spell_headers(request))["Content-Type"] == "application/x-www-form-urlencoded"
    assert 4.9 < request.meta["download_timeout"] <= 5
    assert request.dont_filter


def test_a_form_of_a_get_goes_into_the_address_and_json_into_the_body() -> None:
    site = Site(page())
    fetch(session(site), PageRequest(f"{SITE}/search?a=1", form={"b": "é"}))
    fetch(session(site), PageRequest(f"{SITE}/slots", method="POST", json={"days": [1]}))
    assert site.asked[0].url == f"{SITE}/search?a=1&b=%C3%A9"
    assert site.asked[1].body == b'{"days": [1]}'
    assert dict(spell_headers(site.asked[1]))["Content-Type"] == "application/json"


@in_turn("status", [301, 302, 303])
def test_a_redirected_post_becomes_a_get_as_in_a_browser(status: int) -> None:
    site = Site(moved("/booking/create/23014/2", status), page())
    got = fetch(session(site), PageRequest(f"{DESK}/0", method="POST", form={"a": "1"}))
    assert [request.method for request in site.asked] == ["POST", "GET"]
    assert site.asked[1].body == b""
    assert "Content-Type" not in dict(spell_headers(site.asked[1]))
    assert got.url == f"{DESK}/2"


def test_a_redirect_from_http_up_to_https_is_followed_and_counted() -> None:
    ours = session(Site(moved(f"{DESK}/2".replace("http:", "https:")), page()))
    assert fetch(ours).url.startswith("https://www.essonne")
    assert ours.requests == 2


@in_turn(
    "location",
    [
        "https://queue.example.com/",
        "//other.gouv.fr/x",
        "http://www.essonne.gouv.fr:8080/",
        "file:///etc/passwd",
    ],
)
def test_a_redirect_to_another_site_is_not_followed(location: str) -> None:
    site = Site(moved(location), page())
    with pytest.raises(FetchError, match="another site") as raised:
        fetch(session(site))
    assert raised.value.outcome is Outcome.UNREADABLE
    assert len(site.asked) == 1


@pytest.mark.rule("3.8")
def test_neither_an_ask_nor_a_redirect_reaches_a_step_that_takes_a_slot() -> None:
    site = Site(moved(f"{DESK}/5/1795000000"), page())
    with pytest.raises(FetchError, match="would take a slot"):
        fetch(session(site))
    with pytest.raises(FetchError, match="would take a slot"):
        fetch(session(site), PageRequest(f"{DESK}/5/1795000000"))
    assert len(site.asked) == 1


@pytest.mark.rule("3.8")
@in_turn("status", [307, 308])
def test_no_redirect_presses_the_button_that_takes_the_first_free_hour(status: int) -> None:
    site = Site(moved(f"{DESK}/4", status), page())
    with pytest.raises(FetchError, match=r"POST .*/4, which would take a slot"):
        fetch(session(site), PageRequest(f"{DESK}/3", method="POST", form={"nextButton": "Etape suivante"}))
    assert len(site.asked) == 1
    site = Site(moved(f"{DESK}/4", 302), page())
    fetch(session(site), PageRequest(f"{DESK}/3", method="POST", form={"nextButton": "Etape suivante"}))
    assert [(asked.method, asked.body) for asked in site.asked[1:]] == [("GET", b"")]


def test_network_errors_are_tried_again_three_times_in_a_check() -> None:
    site = Site(ConnectionRefusedError("no"), socket.gaierror("no"), page())
    ours = session(site)
    assert fetch(ours).status == 200
    assert ours.requests == 3
    site.answers = [ConnectionRefusedError("still no")]
    with pytest.raises(FetchError, match="refused: still no"):
        fetch(ours)
    assert ours.requests == 5


@pytest.mark.rule("3.9")
@in_turn("status", [403, 429, 500, 503])
def test_an_answer_of_any_status_is_never_asked_for_again(status: int) -> None:
    ours = session(Site(page(status=status)))
    assert fetch(ours).status == status
    assert ours.requests == 1


@pytest.mark.rule("3.7")
def test_one_deadline_runs_over_all_requests_of_a_check() -> None:
    now = [100.0]

    def slow(_: Request) -> Response:
        now[0] += 2
        return page()

    site = Site(slow)
    ours = Session(site, 5, 1000, RequestBudget(math.inf))
    ours.clock.now = lambda: now[0]
    for _ in range(3):
        fetch(ours)
    with pytest.raises(FetchError, match="the 5 s of this check are over"):
        fetch(ours)
    assert [request.meta["download_timeout"] for request in site.asked] == [5, 3, 1]


@pytest.mark.rule("3.7")
def test_the_clock_runs_from_the_first_request_and_stands_still_in_pauses(
    no_sleep: Callable[[], list[float]],
) -> None:
    now, slept = 100, no_sleep()
    clock = Clock(30, lambda: now + sum(slept))
    now += 5
    assert (clock.elapsed, clock.left) == (0, 30)
    clock.start()
    asyncio.run(clock.pause(2))
    assert clock.elapsed == 0
    clock.start()
    now += 7
    assert (clock.elapsed, clock.left) == (7, 23)
