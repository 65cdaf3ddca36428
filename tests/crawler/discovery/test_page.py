"""The evaluation of one page of a prefecture's site."""

import gzip

import pytest
from scrapy import Request
from scrapy.http import Response

from crawler.discovery.booking_links import Listed, simplify_address
from crawler.discovery.identify import page_of
from crawler.discovery.observations import ObservedPage, PageSeen, observe
from crawler.middlewares import WholeRobotsTxt
from tests.crawler.held import make_desk
from tests.in_turn import in_turn

HOME = "https://www.essonne.gouv.fr"
OURS = make_desk(f"{HOME}/booking/create/23014")
HTML = {"content-type": "text/html; charset=utf-8"}


def come(body: str, status: int = 200, headers: dict[str, str] = HTML, url: str = f"{HOME}/a") -> PageSeen:
    return observe(page_of(url, body.encode(), status, headers), "evry_91", 0, Listed.of([OURS]))


def test_a_page_tells_its_bookings_and_where_to_go_on() -> None:
    body = f"""<title>Rendez-vous</title><a href="/booking/create/23014/0">Naturalisation</a>
      <a href="https://www.rdv-prefecture.interieur.gouv.fr/rdvpref/reservation/demarche/1/cgu/">Titre</a>
      <a href="https://autre.example/x">Prendre rendez-vous</a><a href="https://autre.example/y">Météo</a>
      <a href="/Prendre-rendez-vous">Prendre rendez-vous</a><a href="{HOME}/plan.pdf">Plan</a>"""
    came = come(body)
    assert came.seen is ObservedPage.READ
    assert [each.text for each in came.bookings] == ["Naturalisation", "Titre", "Prendre rendez-vous"]
    assert [each.url for each in came.onward] == [f"{HOME}/Prendre-rendez-vous"]


@in_turn(
    "status, headers, body, seen",
    [
        (404, HTML, "<p>x</p>", ObservedPage.GONE),
        (410, HTML, "", ObservedPage.GONE),
        (403, HTML, "<p>x</p>", ObservedPage.DOUBT),
        (500, HTML, "<p>x</p>", ObservedPage.DOUBT),
        (429, HTML, "<p>x</p>", ObservedPage.DOUBT),
        (200, {"content-type": "application/pdf"}, "%PDF", ObservedPage.DOUBT),
        (200, HTML, "", ObservedPage.DOUBT),
        (200, HTML, "<title>Site en maintenance</title>", ObservedPage.DOUBT),
        (200, HTML, "<title>Just a moment...</title><form id=challenge-form></form>", ObservedPage.DOUBT),
    ],
)
def test_what_is_no_page_proves_nothing_but_that_it_is_gone(
    status: int, headers: dict[str, str], body: str, seen: ObservedPage
) -> None:
    came = come(f'{body}<a href="/b">b</a>' if body.startswith("<p") else body, status, headers)
    assert (came.seen, came.onward) == (seen, ())


@in_turn(
    "status, body, refused",
    [
        (429, "<p>x</p>", True),
        (200, "<title>Site en maintenance</title>", True),
        (403, "<p>x</p>", False),
        (404, "", False),
    ],
)
def test_a_wall_is_the_sites_a_refusal_may_be_one_pages(status: int, body: str, refused: bool) -> None:
    assert (come(body, status).refusal is not None) == refused
    assert come(body, status, url=f"{HOME}/").refusal is not None or status == 404


@in_turn(
    "location, onward",
    [
        ("/b", [f"{HOME}/b"]),
        ("https://autre.example/", []),
        ("http://[", []),
        ("/recueil.pdf", []),
    ],
)
def test_a_redirect_is_followed_within_the_site(location: str, onward: list[str]) -> None:
    came = come("", 302, HTML | {"location": location})
    assert [each.url for each in came.onward] == onward
    assert came.seen is (ObservedPage.DOUBT if "[" in location else ObservedPage.MOVED)


def test_a_site_that_writes_its_address_otherwise_is_walked_as_it_says() -> None:
    bare = "https://essonne.gouv.fr/"
    came = come("", 301, HTML | {"location": bare}, url=f"{HOME}/")
    assert [each.url for each in came.onward] == [bare]
    assert [each.url for each in come('<a href="https://www.essonne.gouv.fr/b">b</a>', url=bare).onward] == [
        f"{bare}b"
    ]


def test_a_booking_page_is_noted_never_walked_though_a_redirect_leads_to_it() -> None:
    came = come("", 302, HTML | {"location": f"{HOME}/booking/create/23014/0"})
    assert ([each.url for each in came.bookings], came.onward) == ([f"{HOME}/booking/create/23014/0"], ())


@in_turn(
    "url",
    [
        f"{HOME}/booking/create/23014", "http://essonne.gouv.fr/booking/create/23014/", f"{HOME}/booking/create/23014/1",
        f"{HOME}:443/booking/create/23014?x=1",
    ],
)  # fmt: skip
def test_a_desk_is_known_however_its_address_is_written(url: str) -> None:
    assert simplify_address(url) == simplify_address(OURS.url)
    assert simplify_address(url) != simplify_address(f"{HOME}/booking/create/2301")


# robots.txt of the walk of prefectures' sites: read whole, within its host, or it allows nothing.


ROBOTS = Request("http://127.0.0.1/robots.txt", meta={"dont_obey_robotstxt": True})


def came(status: int, body: bytes = b"", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(ROBOTS.url, status=status, body=body, headers=named)


@pytest.mark.rule("3.9")
@in_turn(
    "response, read",
    [
        (came(200, gzip.compress(b"Disallow: /a"), Content_Encoding="gzip"), b"Disallow: /a"),
        (came(200, gzip.compress(b"Disallow: /a")[:-9], Content_Encoding="gzip"), b"User-agent: *\nDisallow: /\n"),
        (came(200, b"Disallow: /a"), b"Disallow: /a"),
        (came(301, Location="http://127.0.0.2/robots.txt"), b"User-agent: *\nDisallow: /\n"),
        (came(404), b""),
        (came(503, b"<h1>busy</h1>"), b"User-agent: *\nDisallow: /\n"),
    ],
)  # fmt: skip
def test_a_robots_txt_is_read_whole_or_allows_nothing(response: Response, read: bytes) -> None:
    found = WholeRobotsTxt(1000).process_response(ROBOTS, response)
    assert isinstance(found, Response)
    assert found.body == read


@pytest.mark.rule("3.9")
def test_a_robots_txt_is_followed_within_its_host_five_times() -> None:
    robots, hops = WholeRobotsTxt(1000), 0
    asked: Request | Response = ROBOTS
    while isinstance(asked, Request):
        assert asked.meta["dont_obey_robotstxt"]
        asked, hops = robots.process_response(asked, came(302, Location="/fichiers/robots.txt")), hops + 1
    assert hops == 6
    lost = robots.process_exception(ROBOTS, TimeoutError())
    assert isinstance(lost, Response)
    assert lost.body == b"User-agent: *\nDisallow: /\n"
    assert asked.body == b"User-agent: *\nDisallow: /\n"
